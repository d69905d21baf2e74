"""A loop as LLVM text: all time steps of a share of the rows in one call, with no allocation and no call inside.

Rows are processed in groups of up to six: the accumulators of one register tile (rows x gates x vectors of hidden units) stay
in registers over the whole product, then the elementwise part of the phase finishes that tile. The rows still alive at a step
come first, so a finished sequence costs nothing. T, B and all sizes are run-time values.
"""

from typing import cast

from carrousel.engine.graph import TRUTH, Graph, Shape
from carrousel.engine.lower import barrier
from carrousel.engine.lower.cuts import cut_units
from carrousel.engine.lower.emitter import Emitter, literal
from carrousel.engine.lower.loop import Cut, Cuts, Kind, Loop, Traffic
from carrousel.engine.lower.memory_map import MemoryMap
from carrousel.engine.lower.moves import MOVES, move
from carrousel.engine.lower.tiles import Tiles
from carrousel.engine.lower.vector_math import VECTOR
from carrousel.engine.passes.split_phases import split_phases
from carrousel.engine.views import is_stored, is_whole, view


def unsupported(graph: Graph) -> str:
    """Why a loop cannot be lowered, in a few words; empty when it can."""
    for node in graph.computed:
        if node.op not in VECTOR and node.op not in MOVES and node.op not in ("products", "constant"):
            return f"the operation {node.op!r} (value {node.name}) has no vector form yet"
        if node.op == "products" and any(graph[matrix].op != "param" for matrix in node.args[::2]):
            return f"the product {node.name} has a matrix that is not made from parameters alone"
        for arg in node.args:
            if graph[view(graph, arg).source].op in TRUTH and not (is_stored(graph, arg) or is_whole(graph, arg)):
                return f"the truth value {view(graph, arg).source} is moved about ({node.name})"
        if node.op in MOVES and graph[view(graph, node.name).source].op in TRUTH:
            return f"the truth value {view(graph, node.name).source} is moved about ({node.name})"
    return ""


def lower(graph: Graph, traffic: Traffic, element: str, width: int, symbol: str, *, is_shared: bool = False) -> Loop:
    """The loop of a graph as LLVM text.

    Args:
        graph: a loop (hoisted, broadcasts and copies spelled out), or its derivative.
        traffic: what it reads and writes.
        element: "float" or "double".
        width: elements of a vector register.
        symbol: name of the function.
        is_shared: several threads make the units of the same rows, each a part of them; the function takes three further
            arguments (`barrier.ARGUMENTS`). Only for loops that `cuts_of` can cut.
    """
    e = Emitter(element, width)
    memory = MemoryMap(graph, traffic, split_phases(graph, traffic.stream_writes), e)
    cuts = cut_units(memory) if is_shared else None
    memory.open()
    if cuts is not None:
        memory.deal(cuts)
    step = _Step(memory, traffic)
    with e.loop(0, "%steps") as counter:
        time = e.i64("sub", e.i64("sub", "%steps", 1), counter) if traffic.is_backward else counter
        step.emit(time)
    arguments = _ARGUMENTS if cuts is None else (*_ARGUMENTS, *barrier.ARGUMENTS)
    signature = ", ".join(f"{_KINDS.get(name, 'ptr')} %{name}" for name in arguments)
    body = "\n".join(["entry:", *e.entry, *e.lines, "  ret void"])
    text = f"define void @{symbol}({signature}) nounwind {{\n{body}\n}}\n" + "\n".join(
        [*e.declared.values(), "!0 = !{}"]
    )
    text += "\n" if cuts is None else barrier.meet()
    return Loop(symbol, text, tuple(memory.buffers), memory.letters, memory.phases, cuts)


def cuts_of(graph: Graph, traffic: Traffic) -> Cuts | None:
    """How several threads would share the units of a loop; None where they cannot."""
    return cut_units(MemoryMap(graph, traffic, split_phases(graph, traffic.stream_writes), Emitter("float", 1)))


_ARGUMENTS = ("pointers", "strides", "sizes", "offsets", "steps", "first", "last", "rows", "resets")
_KINDS: dict[str, str] = dict.fromkeys(("steps", "first", "last", "rows", "part", "parts"), "i64")


class _Step:
    """One time step."""

    def __init__(self, memory: MemoryMap, traffic: Traffic) -> None:
        self.memory, self.traffic, self.e, self.graph = memory, traffic, memory.e, memory.graph
        self.barriers: tuple[int, ...] = () if memory.cuts is None else memory.cuts.barriers
        self.barrier = barrier.Barrier(memory) if self.barriers else None

    def emit(self, time: str) -> None:
        e, memory = self.e, self.memory
        memory.at_step(time, is_backward=self.traffic.is_backward)
        following = e.argument("i64", "%offsets", e.i64("add", time, 1))
        self.alive = e.minimum(e.i64("sub", following, memory.offset), "%last")
        if not self.traffic.is_backward:
            self._reset_rows(is_next=False)
        for leaf in self.traffic.copies:
            with e.loop("%first", self.alive) as slot:
                source = memory.row("carry", self.traffic.carries[leaf], slot)
                self._copy_row(
                    source,
                    memory.row("stream", leaf, slot),
                    self.graph[leaf].shape,
                    self._dealt(self.traffic.carries[leaf]),
                )
        for number, phase in enumerate(memory.phases):
            if self.barrier is not None and number in self.barriers:
                self.barrier.emit(is_first=number == self.barriers[0])
            if phase.is_tiled:
                Tiles(memory, number, phase, self.alive).emit()
            else:
                move(memory, phase.nodes[0], self.alive, memory.cut(number))
        self._copy_unmade_outputs()
        if self.traffic.is_backward:
            self._reset_rows(is_next=True)

    def _copy_unmade_outputs(self) -> None:
        """Outputs that no phase makes: what the loop was handed, and constants."""
        for state, name in self.traffic.carry_writes.items():
            self._copy_value(name, "carry", state)
        for name in self.traffic.stream_writes:
            self._copy_value(name, "stream", view(self.graph, name).source)

    def _copy_value(self, name: str, kind: Kind, target: str) -> None:
        e, source = self.e, view(self.graph, name).source
        if source in self.memory.place:
            return
        node = self.graph[source]
        cut = self._dealt(target if kind == "carry" else self.traffic.carries.get(source))
        with e.loop("%first", self.alive) as slot:
            row = self.memory.row(kind, target, slot, is_next=True)
            if node.op == "constant":
                number = literal(float(cast(float, node.settings["value"])), e.element)
                with e.loop(*self.memory.elements(cut, self.memory.size(self.graph[name].shape))) as k:
                    e.store(e.element, number, e.at(row, k))
            else:
                start = self.memory.row(*self.memory.home(source), slot)
                self._copy_row(start, row, self.graph[name].shape, cut)

    def _dealt(self, state: str | None) -> Cut | None:
        """How the rows of a state are dealt out; None where each part does all of them."""
        cuts = self.memory.cuts
        return None if cuts is None or state is None else cuts.carries[state]

    def _copy_row(self, source: str, target: str, axes: Shape, cut: Cut | None) -> None:
        e, size = self.e, self.memory.size(axes)
        with e.loop(*self.memory.elements(cut, size), e.width) as column:
            mask = e.lanes_below(e.i64("sub", size, column))
            e.masked_store(e.masked_load(e.at(source, column), mask), e.at(target, column), mask)

    def _reset_rows(self, *, is_next: bool) -> None:
        e, memory = self.e, self.memory
        is_given = e.value("icmp ne ptr %resets, null")
        with e.when(is_given), e.loop("%first", self.alive) as slot:
            flag = e.value(f"load i8, ptr {e.at('%resets', e.i64('add', memory.offset, slot), 'i8')}, align 1")
            with e.when(e.value(f"icmp ne i8 {flag}, 0")):
                for buffer in [b for b in memory.buffers if b.kind == "carry"]:
                    row = memory.row("carry", buffer.name, slot, is_next=is_next)
                    bounds = memory.elements(self._dealt(buffer.name), memory.size(buffer.axes))
                    with e.loop(*bounds) as k:
                        e.store(e.element, literal(0.0, e.element), e.at(row, k))
