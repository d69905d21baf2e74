"""Nodes of their own phase: sums and maxima along an axis, and values put together of scattered elements."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

from carrousel.engine.graph import Graph, Node, Shape, axis_size
from carrousel.engine.lower.loop import Cut
from carrousel.engine.lower.memory_map import MemoryMap
from carrousel.engine.lower.reader import Place, Reader
from carrousel.engine.passes.split_phases import REDUCTIONS
from carrousel.engine.views import SHOWS

MOVES = REDUCTIONS | SHOWS | {"concatenate", "pad", "copy"}
"""Operations that read elements elsewhere than they write them; those of SHOWS where strides cannot express them."""


def move(memory: MemoryMap, node: Node, alive: str, cut: Cut | None = None) -> None:
    """One such node, for all rows of the step; of its elements those that `cut` gives to this part."""
    with memory.e.loop("%first", alive) as slot:
        rows = memory.target_rows(node.name, slot)
        if node.op in REDUCTIONS:
            _reduce(memory, node, slot, rows, cut)
        elif node.op == "concatenate":
            _concatenate(memory, node, slot, rows)
        elif node.op == "pad":
            _pad(memory, node, slot, rows)
        else:
            _copy(memory, node.args[0], slot, rows, memory.graph[node.args[0]].shape, cut)


@dataclass(frozen=True)
class Run:
    """A part of an axis that is counted through: the number of the axis, its size, and the parts of the axis behind it."""

    axis: int
    size: str
    behind: Shape


def runs_of(graph: Graph, shape: Shape) -> list[Run]:
    """The runs that a value of this shape is counted through, outermost first."""
    found: list[Run] = []
    for axis, name in enumerate(shape):
        parts = tuple(part for part in name.split("*") if axis_size(part, graph.sizes) != 1)
        found += [Run(axis, part, parts[k + 1 :]) for k, part in enumerate(parts)]
    return found or [Run(0, "1", ())]


def _bounds(memory: MemoryMap, runs: Sequence[Run], number: int, cut: Cut | None) -> tuple[str, str]:
    """Where counting through a run begins and ends; a cut is one of the outermost run."""
    size = memory.size((runs[number].size,))
    if number:
        return "0", size
    return memory.vectors(cut, size) if len(runs) == 1 else memory.units(cut, size)


def _step(memory: MemoryMap, runs: Sequence[Run], number: int) -> int:
    return memory.e.width if number == len(runs) - 1 else 1


def _distances(memory: MemoryMap, shape: Shape) -> list[str]:
    """The distance between neighbours along each axis, in a value's own memory."""
    return [memory.size(shape[k + 1 :]) for k in range(len(shape))] or ["1"]


def _at(memory: MemoryMap, runs: Sequence[Run], index: Sequence[str], distances: Sequence[str]) -> str:
    """How far the element at a place lies from the first."""
    e, place = memory.e, "0"
    for run, position in zip(runs, index, strict=True):
        step = e.i64("mul", distances[run.axis], memory.size(run.behind))
        place = e.i64("add", place, e.i64("mul", position, step))
    return place


def _reader(memory: MemoryMap, shape: Shape, runs: Sequence[Run], index: Sequence[str], slot: str, mask: str) -> Reader:
    column = _at(memory, runs, index, _distances(memory, shape))
    return Reader(memory, Place(slot, column, mask, tuple(run.size for run in runs), tuple(index)))


def _copy(memory: MemoryMap, arg: str, slot: str, rows: Sequence[str], into: Shape, cut: Cut | None = None) -> None:
    """The elements of a value into rows, as a part of a value of another shape."""
    e, shape, sizes = memory.e, memory.graph[arg].shape, memory.graph.sizes
    runs = runs_of(memory.graph, shape)
    distances = _distances(memory, into)
    behind = "*".join(("1", *runs[-1].behind, *into[runs[-1].axis + 1 :]))
    with ExitStack() as stack:
        index = [
            stack.enter_context(e.loop(*_bounds(memory, runs, k, cut), _step(memory, runs, k)))
            for k in range(len(runs))
        ]
        length = memory.size((runs[-1].size,))
        mask = e.lanes_below(e.i64("sub", length, index[-1]))
        value = _reader(memory, shape, runs, index, slot, mask).read(arg)
        place = _at(memory, runs, index, distances)
        for row in rows:
            if axis_size(behind, sizes) == 1:
                e.masked_store(value, e.at(row, place), mask)
            else:
                e.scatter(value, e.at(row, place), memory.size((behind,)), mask)


def _concatenate(memory: MemoryMap, node: Node, slot: str, rows: Sequence[str]) -> None:
    e, graph = memory.e, memory.graph
    axis, distances = _axis(node), _distances(memory, node.shape)
    before = 0
    for arg in node.args:
        if not memory.is_piece(arg, node.name):
            place = e.i64("mul", before, distances[axis])
            _copy(memory, arg, slot, [e.at(row, place) for row in rows], node.shape)
        before += axis_size(graph[arg].shape[axis], graph.sizes)


def _pad(memory: MemoryMap, node: Node, slot: str, rows: Sequence[str]) -> None:
    e, distances = memory.e, _distances(memory, node.shape)
    size = memory.size(node.shape)
    with e.loop(0, size, e.width) as column:
        mask = e.lanes_below(e.i64("sub", size, column))
        for row in rows:
            e.masked_store(e.number(0.0), e.at(row, column), mask)
    place = e.i64("mul", cast(int, node.settings["before"]), distances[_axis(node)])
    _copy(memory, node.args[0], slot, [e.at(row, place) for row in rows], node.shape)


def _axis(node: Node) -> int:
    return cast(int, node.settings["axis"])


def _reduce(memory: MemoryMap, node: Node, slot: str, rows: Sequence[str], cut: Cut | None) -> None:
    """Sum or maximum along an axis: lane by lane, and over the lanes at the end where the vectors run along that axis."""
    e, (arg,) = memory.e, node.args
    shape = memory.graph[arg].shape
    runs = runs_of(memory.graph, shape)
    last = len(runs) - 1
    gone = [k for k, run in enumerate(runs) if run.axis == _axis(node)]
    index = ["0"] * len(runs)
    length = memory.size((runs[last].size,))
    neutral = e.number(0.0 if node.op == "sum" else -float("inf"))

    def count(stack: ExitStack, numbers: Sequence[int]) -> None:
        for k in numbers:
            index[k] = stack.enter_context(e.loop(*_bounds(memory, runs, k, cut), _step(memory, runs, k)))

    with ExitStack() as kept:
        count(kept, [k for k in range(len(runs)) if k not in gone])
        total = e.local(e.vector)
        e.do(f"store {e.vector} {neutral}, ptr {total}, align 64")
        with ExitStack() as reduced:
            count(reduced, gone)
            mask = e.lanes_below(e.i64("sub", length, index[last]))
            value = e.select(mask, _reader(memory, shape, runs, index, slot, mask).read(arg), neutral)
            old = e.value(f"load {e.vector}, ptr {total}, align 64")
            e.do(f"store {e.vector} {_joined(memory, node.op, old, value)}, ptr {total}, align 64")
        found = e.value(f"load {e.vector}, ptr {total}, align 64")
        here = ["0" if k in gone else position for k, position in enumerate(index)]
        place = _at(memory, runs, here, _distances(memory, node.shape))
        if last in gone:
            number = e.reduce("fadd" if node.op == "sum" else "fmaximum", found)
            for row in rows:
                e.store(e.element, number, e.at(row, place))
        else:
            mask = e.lanes_below(e.i64("sub", length, index[last]))
            for row in rows:
                e.masked_store(found, e.at(row, place), mask)


def _joined(memory: MemoryMap, op: str, a: str, b: str) -> str:
    e = memory.e
    if op == "sum":
        return e.binary("fadd", a, b)
    return e.intrinsic(f"llvm.maximum.{e.suffix}", e.vector, [(e.vector, a), (e.vector, b)])
