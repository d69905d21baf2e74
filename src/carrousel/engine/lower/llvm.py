"""A loop as LLVM text: all time steps of a share of the rows in one call, with no allocation and no call inside.

Rows are processed in groups of up to six: the accumulators of one register tile (rows x gates x vectors of hidden units) stay
in registers over the whole product, then the elementwise part of the phase finishes that tile. The rows still alive at a step
come first, so a finished sequence costs nothing. T, B and all sizes are run-time values.
"""

from typing import cast

from carrousel.engine.graph import TRUTH, Graph, Shape
from carrousel.engine.lower.emitter import Emitter, literal
from carrousel.engine.lower.loop import Kind, Loop, Traffic
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


def lower(graph: Graph, traffic: Traffic, element: str, width: int, symbol: str) -> Loop:
    """The loop of a graph as LLVM text.

    Args:
        graph: a loop (hoisted, broadcasts and copies spelled out), or its derivative.
        traffic: what it reads and writes.
        element: "float" or "double".
        width: elements of a vector register.
        symbol: name of the function.
    """
    e = Emitter(element, width)
    memory = MemoryMap(graph, traffic, split_phases(graph, traffic.stream_writes), e)
    memory.open()
    with e.loop(0, "%steps") as counter:
        time = e.i64("sub", e.i64("sub", "%steps", 1), counter) if traffic.is_backward else counter
        _Step(memory, traffic).emit(time)
    return Loop(symbol, e.function(symbol), tuple(memory.buffers), memory.letters, memory.phases)


class _Step:
    """One time step."""

    def __init__(self, memory: MemoryMap, traffic: Traffic) -> None:
        self.memory, self.traffic, self.e, self.graph = memory, traffic, memory.e, memory.graph

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
                self._copy_row(source, memory.row("stream", leaf, slot), self.graph[leaf].shape)
        for number, phase in enumerate(memory.phases):
            if phase.is_tiled:
                Tiles(memory, number, phase, self.alive).emit()
            else:
                move(memory, phase.nodes[0], self.alive)
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
        with e.loop("%first", self.alive) as slot:
            row = self.memory.row(kind, target, slot, is_next=True)
            if node.op == "constant":
                number = literal(float(cast(float, node.settings["value"])), e.element)
                with e.loop(0, self.memory.size(self.graph[name].shape)) as k:
                    e.store(e.element, number, e.at(row, k))
            else:
                self._copy_row(self.memory.row(*self.memory.home(source), slot), row, self.graph[name].shape)

    def _copy_row(self, source: str, target: str, axes: Shape) -> None:
        e, size = self.e, self.memory.size(axes)
        with e.loop(0, size, e.width) as column:
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
                    with e.loop(0, memory.size(buffer.axes)) as k:
                        e.store(e.element, literal(0.0, e.element), e.at(row, k))
