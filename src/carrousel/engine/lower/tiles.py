"""Phases that finish element by element: register tiles of products, and the elementwise nodes that follow them."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

from carrousel.engine.graph import Graph, Shape, axis_size
from carrousel.engine.lower.memory_map import MemoryMap
from carrousel.engine.lower.reader import Place, Reader
from carrousel.engine.passes.split_phases import Phase, strides
from carrousel.engine.views import is_row_major, view

ROWS = (6, 4, 2, 1)
"""Rows of a register tile, largest first."""

_ACCUMULATORS = 24


@dataclass
class Tiles:
    """One phase of vectors of one size.

    Args:
        memory: of the loop.
        number: of the phase.
        phase: itself.
        alive: rows of this step, as a run-time number.
    """

    memory: MemoryMap
    number: int
    phase: Phase
    alive: str

    def __post_init__(self) -> None:
        self.e, self.graph = self.memory.e, self.memory.graph
        self.products = self.memory.products(self.phase)
        self.slots = sum(node.op == "products" for node in self.phase.nodes)
        self.cut = self.memory.cut(self.number)

    def emit(self) -> None:
        """The phase for all rows of the step."""
        if self.phase.has_products:
            self._with_products()
        elif self.phase.loops:
            self._strided()
        else:
            self._flat()

    # ---- without products

    def _flat(self) -> None:
        e = self.e
        size = self.memory.size(self.phase.axes)
        first, last = self.memory.vectors(self.cut, size)
        with e.loop(first, last, e.width) as column, e.loop("%first", self.alive) as slot:
            self._finish(Place(slot, column, e.lanes_below(e.i64("sub", size, column))), {})

    def _strided(self) -> None:
        """Counted through axis by axis, the vector along the last."""
        e, loops = self.e, self.phase.loops
        fused = fused_axes(self.graph, self.memory, self.phase)
        with e.loop("%first", self.alive) as slot, ExitStack() as stack:
            sizes = [self.memory.size((axis,)) for axis in fused]
            outer = [(("0", size) if k else self.memory.units(self.cut, size)) for k, size in enumerate(sizes[:-1])]
            places = [stack.enter_context(e.loop(*bounds)) for bounds in outer]
            places.append(stack.enter_context(e.loop(*self.memory.vectors(self.cut, sizes[-1]), e.width)))
            column = "0"
            for size, place in zip(sizes, places, strict=True):
                column = e.i64("add", e.i64("mul", column, size), place)
            mask = e.lanes_below(e.i64("sub", sizes[-1], places[-1]))
            # a fused axis is read along its last part alone: the others of it count nothing
            index = [
                p
                for axis, place in zip(fused, places, strict=True)
                for p in [*["0"] * axis.count("*"), place]
            ]  # fmt: skip
            self._finish(Place(slot, column, mask, loops, tuple(index)), {})

    # ---- with products

    def _with_products(self) -> None:
        e, loops = self.e, self.phase.loops
        wide = max(1, _ACCUMULATORS // (ROWS[0] * self.slots))
        by_vector = self.cut is None or self.cut.in_vectors
        with ExitStack() as stack:
            if loops:
                self.size = self.memory.size(loops[-1:])
                heads = self.memory.size(loops[:-1])
                self.head = stack.enter_context(e.loop(*self.memory.units(None if by_vector else self.cut, heads)))
            else:
                self.size, self.head = self.memory.size(self.phase.axes), "0"
            self.vectors = e.i64("sdiv", e.i64("add", self.size, e.width - 1), e.width)
            first, last = self.memory.units(self.cut if by_vector else None, self.vectors)
            whole = e.i64("add", first, e.i64("mul", e.i64("sdiv", e.i64("sub", last, first), wide), wide))
            with e.loop(first, whole, wide) as tile:
                self._tile(wide, tile)
            if wide > 1:
                with e.loop(whole, last) as tile:
                    self._tile(1, tile)

    def _tile(self, wide: int, tile: str) -> None:
        """One tile of units, for all rows in groups."""
        e = self.e
        sums = e.local(e.vector, str(self.slots * ROWS[0] * wide))
        row = e.local("i64")
        e.store("i64", "%first", row)
        for rows in ROWS:
            head, body, leave = (e.name(hint) for hint in ("group", "body", "leave"))
            e.do(f"br label {head}")
            e.lines.append(f"{head[1:]}:")
            start = e.load("i64", row)
            left = e.i64("sub", self.alive, start)
            e.do(f"br i1 {self._takes(rows, left)}, label {body}, label {leave}")
            e.lines.append(f"{body[1:]}:")
            self._multiply(rows, wide, tile, start, sums)
            with e.loop(0, rows) as r, e.loop(0, wide) as u:
                first = e.i64("add", e.i64("mul", r, wide), u)
                self._finish_tile(e.i64("add", start, r), e.i64("add", tile, u), sums, first, rows * wide)
            e.store("i64", e.i64("add", start, rows), row)
            e.do(f"br label {head}")
            e.lines.append(f"{leave[1:]}:")

    def _takes(self, rows: int, left: str) -> str:
        """Whether the next group has this many rows: eight or nine are better taken as fours than as six and a few."""
        e = self.e
        if rows != ROWS[0]:
            return e.value(f"icmp sge i64 {left}, {rows}")
        many, exact = e.value(f"icmp sge i64 {left}, 10"), e.value(f"icmp eq i64 {left}, 6")
        return e.value(f"or i1 {many}, {exact}")

    def _multiply(self, rows: int, wide: int, tile: str, start: str, sums: str) -> None:
        """The products of one register tile, into `sums`, laid out (slot, row, vector)."""
        e = self.e
        places = [(s, r, u) for s in range(self.slots) for r in range(rows) for u in range(wide)]
        totals = {place: e.local(e.vector) for place in places}
        for total in totals.values():
            e.do(f"store {e.vector} zeroinitializer, ptr {total}, align 64")
        for operand, uses in self.products.items():
            self._accumulate(operand, uses, rows, wide, tile, start, totals)
        for s, r, u in places:
            value = e.value(f"load {e.vector}, ptr {totals[s, r, u]}, align 64")
            e.do(f"store {e.vector} {value}, ptr {e.at(sums, str((s * rows + r) * wide + u), e.vector)}, align 64")

    def _accumulate(
        self,
        operand: str,
        uses: Sequence[tuple[int, str, bool]],
        rows: int,
        wide: int,
        tile: str,
        start: str,
        totals: Mapping[tuple[int, int, int], str],
    ) -> None:
        """Add the products of all matrices that meet one vector."""
        e = self.e
        sources, length = self._operand_rows(operand, uses[0], rows, start)
        each = len(uses) * e.width
        block = e.i64("mul", length, each)
        packed = self.memory.pointers["packed", f"{self.number}.{operand}"]
        first = e.i64("add", e.i64("mul", self.head, self.vectors), tile)
        panels = [e.at(packed, e.i64("mul", e.i64("add", first, u), block)) for u in range(wide)]
        with e.loop(0, length) as k:
            weights = [
                [
                    e.value(
                        f"load {e.vector}, ptr {e.at(panel, e.i64('add', e.i64('mul', k, each), j * e.width))}, align {e.bytes}"
                    )
                    for j in range(len(uses))
                ]
                for panel in panels
            ]
            for r, source in enumerate(sources):
                factor = e.splat(e.load(e.element, e.at(source, k)))
                for u, j in [(u, j) for u in range(wide) for j in range(len(uses))]:
                    total = totals[uses[j][0], r, u]
                    old = e.value(f"load {e.vector}, ptr {total}, align 64")
                    e.do(f"store {e.vector} {e.fma(factor, weights[u][j], old)}, ptr {total}, align 64")

    def _operand_rows(self, operand: str, use: tuple[int, str, bool], rows: int, start: str) -> tuple[list[str], str]:
        """The rows of the vector that is multiplied, and its length; the part of one head where each has a matrix."""
        e = self.e
        name = operand.removesuffix("/heads")
        kind, home = self.memory.home(name)
        sources = [self.memory.row(kind, home, e.i64("add", start, r)) for r in range(rows)]
        if name == operand:
            return sources, self.memory.size(self.graph[name].shape)
        _, matrix, is_turned = use
        length = self.memory.size((self.graph[matrix].shape[1 if is_turned else 2],))
        part = e.i64("mul", self.head, length)
        return [e.at(source, part) for source in sources], length

    def _finish_tile(self, slot: str, unit: str, sums: str, first: str, stride: int) -> None:
        """The elementwise nodes on one vector of one row of a tile."""
        e, loops = self.e, self.phase.loops
        column = e.i64("mul", unit, e.width)
        mask = e.lanes_below(e.i64("sub", self.size, column))
        index = (*(["0"] * (len(loops) - 2)), self.head, column)[-len(loops) :] if loops else ()
        whole = e.i64("add", e.i64("mul", self.head, self.size), column) if loops else column
        totals: dict[str, str] = {}
        for number, node in enumerate(node for node in self.phase.nodes if node.op == "products"):
            place = e.i64("add", first, number * stride)
            totals[node.name] = e.value(f"load {e.vector}, ptr {e.at(sums, place, e.vector)}, align 64")
        self._finish(Place(slot, whole, mask, loops, index), totals)

    # ---- both

    def _finish(self, place: Place, totals: Mapping[str, str]) -> None:
        """All elementwise nodes of the phase at one place, and their stores."""
        reader = Reader(self.memory, place)
        reader.values.update(totals)
        for node in self.phase.nodes:
            value = totals[node.name] if node.op == "products" else reader.compute(node.name)
            for row in self.memory.target_rows(node.name, place.slot):
                self.e.masked_store(value, self.e.at(row, place.column), place.mask)


def fused_axes(graph: Graph, memory: MemoryMap, phase: Phase) -> Shape:
    """The loops of a phase with neighbours counted as one where no argument tells them apart, so that vectors are full."""
    read = [arg for node in phase.nodes for arg in read_through(memory, node.name)]
    shown = [view(graph, arg) for arg in read]
    along = [
        strides(graph, v, phase.loops)
        for v in shown
        if not is_row_major(v.runs, graph.sizes) and any(run.stride is not None for run in v.runs)
    ]
    fused: list[str] = list(phase.loops[:1])
    for k, (_, inner) in enumerate(pairwise(phase.loops), start=1):
        if all(row is not None and _goes_on(row[k - 1], row[k], inner, graph) for row in along):
            fused[-1] += f"*{inner}"
        else:
            fused.append(inner)
    return tuple(fused)


def read_through(memory: MemoryMap, name: str) -> list[str]:
    """The arguments of a value, and those of the arguments that are computed where they are read."""
    found: list[str] = []
    for arg in memory.graph[name].args:
        source = view(memory.graph, arg).source
        found += read_through(memory, source) if source in memory.inline else [arg]
    return found


def _goes_on(outer: Shape | None, inner: Shape | None, axis: str, graph: Graph) -> bool:
    if outer is None or inner is None:
        return outer is inner
    sizes = graph.sizes
    return axis_size("*".join(("1", *outer)), sizes) == axis_size("*".join(("1", *inner, axis)), sizes)
