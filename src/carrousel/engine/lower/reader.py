"""The values of a step at one place: a vector of neighbouring elements of one row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from carrousel.engine.graph import Shape
from carrousel.engine.lower.memory_map import MemoryMap
from carrousel.engine.lower.vector_math import VECTOR
from carrousel.engine.passes.split_phases import strides
from carrousel.engine.views import View, is_row_major, is_whole, view


@dataclass(frozen=True)
class Place:
    """Which elements are meant.

    Args:
        slot: the sequence.
        column: the first element, counted through the whole value.
        mask: which lanes lie inside the value.
        loops: the axes counted through, and
        index: the place along each of them; the vector runs along the last. Both empty where `column` says it all.
    """

    slot: str
    column: str
    mask: str
    loops: Shape = ()
    index: tuple[str, ...] = ()


class Reader:
    """Reads and computes values at one place; each of them once."""

    def __init__(self, memory: MemoryMap, place: Place) -> None:
        self.memory, self.graph, self.e, self.place = memory, memory.graph, memory.e, place
        self.values: dict[str, str] = {}

    def compute(self, name: str) -> str:
        """Compute an elementwise value from its arguments."""
        node = self.graph[name]
        self.values[name] = VECTOR[node.op](self.e, *(self.read(arg) for arg in node.args))
        return self.values[name]

    def read(self, name: str) -> str:
        """A value, from a register where it was made at this place, from memory otherwise."""
        shown = view(self.graph, name)
        if shown.source in self.values and is_whole(self.graph, name):
            return self.values[shown.source]
        if shown.source in self.memory.inline:
            return self.compute(shown.source)
        if name not in self.values:
            self.values[name] = self._load(shown)
        return self.values[name]

    def _load(self, shown: View) -> str:
        e, source = self.e, self.graph[shown.source]
        if source.op == "constant":
            return e.number(float(cast(float, source.settings["value"])))
        row = self.memory.row(*self.memory.home(shown.source), self.place.slot)
        for number, stride in shown.offset:
            row = e.at(row, e.i64("mul", self.memory.size(stride), number))
        if all(run.stride is None for run in shown.runs):
            return e.splat(e.load(e.element, row))
        if is_row_major(shown.runs, self.graph.sizes):
            return e.masked_load(e.at(row, self.place.column), self.place.mask)
        return self._load_strided(row, strides(self.graph, shown, self.place.loops))

    def _load_strided(self, row: str, along: Sequence[Shape | None] | None) -> str:
        e = self.e
        assert along is not None, "the phase counts through axes along which the view runs"
        for stride, position in zip(along[:-1], self.place.index[:-1], strict=True):
            if stride is not None:
                row = e.at(row, e.i64("mul", position, self.memory.size(stride)))
        if along[-1] is None:
            return e.splat(e.load(e.element, row))
        step, position = self.memory.size(along[-1]), self.place.index[-1]
        if step == "1":
            return e.masked_load(e.at(row, position), self.place.mask)
        return e.gather(e.at(row, e.i64("mul", position, step)), step, self.place.mask)
