"""A loop as LLVM text: all time steps of a share of the rows in one call, with no allocation and no call inside.

Rows are processed in groups of up to six: the accumulators of one register tile (rows x gates x vectors of hidden units) stay
in registers over the whole product, then the elementwise part of the phase finishes that tile. The rows still alive at a step
come first, so a finished sequence costs nothing. T, B and all sizes are run-time values.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal, cast

from carrousel.engine.graph import TRUTH, VIEWS, Graph, Node, Shape
from carrousel.engine.lower.emitter import Emitter, literal
from carrousel.engine.lower.vector_math import VECTOR
from carrousel.engine.passes.split_phases import Phase, split_phases

MOVES = frozenset(("broadcast", "sum"))
"""Operations that move elements about, lowered as loops over single elements."""

ROWS = (6, 4, 2, 1)
"""Rows of a register tile, largest first."""

_ACCUMULATORS = 24

Kind = Literal["stream", "carry", "vector", "packed", "scratch"]


@dataclass(frozen=True)
class Buffer:
    """Memory that a loop is handed.

    Args:
        kind: "stream", a row for every valid step of every sequence; "carry", two halves of a row for every sequence, read and
            written in turn; "vector", one row for all (a parameter); "packed", matrices laid out by `packing`; "scratch", a row
            for every sequence, worthless after the step.
        name: of the value.
        axes: elements of a row, as axes to multiply; empty for "packed".
        packing: the matrices of one vector, in the order of their accumulators: (parameter, is turned over).
    """

    kind: Kind
    name: str
    axes: Shape = ()
    packing: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class Loop:
    """A lowered loop.

    Args:
        symbol: name of the function.
        text: LLVM module.
        buffers: in the order in which the function expects them.
        axes: letters whose sizes the function expects, in order.
        phases: as scheduled.
    """

    symbol: str
    text: str
    buffers: tuple[Buffer, ...]
    axes: tuple[str, ...]
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class Traffic:
    """What a loop reads and writes beyond its own values.

    Args:
        streams: leaves read from streams.
        carries: leaf -> state field whose carry it reads.
        stream_writes: values written to streams.
        carry_writes: state field -> value that becomes its next row.
        copies: leaf in a carry -> written to a stream of that name before the step.
        is_backward: time runs from T-1 to 0.
    """

    streams: tuple[str, ...]
    carries: Mapping[str, str]
    stream_writes: tuple[str, ...]
    carry_writes: Mapping[str, str]
    copies: tuple[str, ...] = ()
    is_backward: bool = False


def unsupported(graph: Graph) -> str:
    """Why a loop cannot be lowered, in a few words; empty when it can."""
    for node in graph.computed:
        if (
            node.op not in VECTOR
            and node.op not in MOVES
            and node.op not in VIEWS
            and node.op not in ("products", "constant")
        ):
            return f"the operation {node.op!r} (value {node.name}) has no vector form yet"
        if node.op == "products":
            for matrix, vector in zip(node.args[::2], node.args[1::2], strict=True):
                if graph[matrix].op != "param" or len(graph[matrix].shape) != 2 or len(graph[vector].shape) != 1:
                    return f"the product {node.name} is not one matrix of parameters times one vector"
    masks = {n.name for n in graph.computed if n.op in TRUTH}
    phases = split_phases(graph)
    place = {node.name: k for k, phase in enumerate(phases) for node in phase.nodes}
    for node in graph.computed:
        for arg in node.args:
            if arg in masks and place.get(node.name) != place.get(arg):
                return f"the truth value {arg} is read in another phase"
    return ""


def lower(graph: Graph, traffic: Traffic, element: str, width: int, symbol: str) -> Loop:
    """The loop of a graph as LLVM text.

    Args:
        graph: a loop (hoisted, broadcasts spelled out), or its derivative.
        traffic: what it reads and writes.
        element: "float" or "double".
        width: elements of a vector register.
        symbol: name of the function.
    """
    return _Lowering(graph, traffic, Emitter(element, width), symbol).loop()


_ARGUMENTS = ("pointers", "strides", "sizes", "offsets", "steps", "first", "last", "rows", "resets")


@dataclass
class _Lowering:
    graph: Graph
    traffic: Traffic
    e: Emitter
    symbol: str
    buffers: list[Buffer] = field(default_factory=list[Buffer])
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        self.phases = split_phases(self.graph)
        self.place = {node.name: k for k, phase in enumerate(self.phases) for node in phase.nodes}
        letters = {p for n in self.graph.nodes for axis in n.shape for p in axis.split("*") if not p.isdigit()}
        self.letters = tuple(sorted(letters))
        self.pointers: dict[tuple[Kind, str], str] = {}

    # ---- what lives where

    def declare(self, kind: Kind, name: str, axes: Shape = (), packing: tuple[tuple[str, bool], ...] = ()) -> None:
        buffer = Buffer(kind, name, axes, packing)
        if buffer not in self.buffers:
            self.buffers.append(buffer)

    def declare_all(self) -> None:
        t = self.traffic
        for name in t.streams:
            self.declare("stream", name, self.graph[name].shape)
        for leaf, state in t.carries.items():
            self.declare("carry", state, self.graph[leaf].shape)
        for state, name in t.carry_writes.items():
            self.declare("carry", state, self.graph[name].shape)
        for name in (*t.stream_writes, *t.copies):
            self.declare("stream", self.graph.storage(name), self.graph[name].shape)
        matrices = {m for n in self.graph.computed if n.op == "products" for m in n.args[::2]}
        for node in self.graph.leaves("param"):
            if node.name not in matrices:
                self.declare("vector", node.name, node.shape)
        for k, phase in enumerate(self.phases):
            for vector, uses in self.products(phase).items():
                self.declare("packed", f"{k}.{vector}", (), tuple((matrix, turned) for _, matrix, turned in uses))
        for name in self.crossing():
            self.declare("scratch", name, self.graph[name].shape)

    def products(self, phase: Phase) -> dict[str, list[tuple[int, str, bool]]]:
        """Vector -> (accumulator, matrix, is turned over) for the products of a phase."""
        found: dict[str, list[tuple[int, str, bool]]] = {}
        nodes = [node for node in phase.nodes if node.op == "products"]
        for slot, node in enumerate(nodes):
            turned = cast(tuple[int, ...], node.settings["transposed"])
            for matrix, vector, is_turned in zip(node.args[::2], node.args[1::2], turned, strict=True):
                found.setdefault(self.graph.storage(vector), []).append((slot, matrix, bool(is_turned)))
        return found

    def crossing(self) -> list[str]:
        """Computed values that a later phase, a product or a mover reads."""
        found: list[str] = []
        for k, phase in enumerate(self.phases):
            for node in phase.nodes:
                for arg in node.args:
                    name = self.graph.storage(arg)
                    if self.place.get(name, -1) >= 0 and self.place[name] < k and name not in found:
                        found.append(name)
        return found

    # ---- addresses

    def size(self, axes: Shape) -> str:
        """Elements along axes, as a run-time number."""
        total = "1"
        for axis in axes:
            for part in axis.split("*"):
                if part != "1":
                    number = part if part.isdigit() else self.sizes[part]
                    total = number if total == "1" else self.e.i64("mul", total, number)
        return total

    def row(self, kind: Kind, name: str, slot: str, *, is_next: bool = False) -> str:
        """The address of one sequence's row of a buffer, at the current step."""
        number = next(k for k, b in enumerate(self.buffers) if (b.kind, b.name) == (kind, name))
        base = self.pointers[kind, name]
        if kind == "vector":
            return base
        if kind == "stream":
            stride = self.e.argument("i64", self.strides, str(number))
            return self.e.at(base, self.e.i64("mul", self.e.i64("add", self.offset, slot), stride))
        size = self.row_sizes[number]
        if kind == "scratch":
            return self.e.at(base, self.e.i64("mul", slot, size))
        half = self.write_half if is_next else self.read_half
        return self.e.at(base, self.e.i64("mul", self.e.i64("add", self.e.i64("mul", half, self.rows), slot), size))

    def home(self, name: str) -> tuple[Kind, str]:
        """Where a value is read from when it was not made in this phase."""
        name = self.graph.storage(name)
        if name in self.traffic.carries:
            return "carry", self.traffic.carries[name]
        op = self.graph[name].op
        if op in ("input", "saved", "grad"):
            return "stream", name
        return ("vector", name) if op == "param" else ("scratch", name)

    # ---- the function

    def loop(self) -> Loop:
        self.declare_all()
        e = self.e
        arguments = {name: f"%{name}" for name in _ARGUMENTS}
        self.strides, self.offsets, self.first = arguments["strides"], arguments["offsets"], arguments["first"]
        self.rows, self.last, self.resets = arguments["rows"], arguments["last"], arguments["resets"]
        self.sizes = {a: e.argument("i64", arguments["sizes"], str(k)) for k, a in enumerate(self.letters)}
        self.row_sizes = {k: self.size(b.axes) for k, b in enumerate(self.buffers) if b.kind != "packed"}
        for k, buffer in enumerate(self.buffers):
            pointer = e.argument("ptr", arguments["pointers"], str(k))
            self.pointers[buffer.kind, buffer.name] = pointer
        with e.loop(0, "%steps") as counter:
            self.time = e.i64("sub", e.i64("sub", "%steps", 1), counter) if self.traffic.is_backward else counter
            self.step()
        kinds = {"steps": "i64", "first": "i64", "last": "i64", "rows": "i64"}
        signature = ", ".join(f"{kinds.get(name, 'ptr')} %{name}" for name in _ARGUMENTS)
        body = "\n".join(["entry:", *e.entry, *e.lines, "  ret void"])
        text = f"define void @{self.symbol}({signature}) nounwind {{\n{body}\n}}\n" + "\n".join(
            [*e.declared.values(), "!0 = !{}"]
        )
        return Loop(self.symbol, text + "\n", tuple(self.buffers), self.letters, self.phases)

    def step(self) -> None:
        e = self.e
        self.offset = e.argument("i64", self.offsets, self.time)
        following = e.argument("i64", self.offsets, e.i64("add", self.time, 1))
        self.alive = e.minimum(e.i64("sub", following, self.offset), self.last)
        odd, even = e.i64("and", self.time, 1), e.i64("and", e.i64("add", self.time, 1), 1)
        self.read_half, self.write_half = (even, odd) if self.traffic.is_backward else (odd, even)
        if not self.traffic.is_backward:
            self.reset_rows(is_next=False)
        for leaf in self.traffic.copies:
            with e.loop(self.first, self.alive) as slot:
                source = self.row("carry", self.traffic.carries[leaf], slot)
                self.copy_row(source, self.row("stream", leaf, slot), self.graph[leaf].shape)
        written: set[str] = set()
        for k, phase in enumerate(self.phases):
            if phase.is_tiled:
                self.tiled(k, phase)
            else:
                self.move(phase.nodes[0])
            written.update(node.name for node in phase.nodes)
        self.copy_unmade_outputs()
        if self.traffic.is_backward:
            self.reset_rows(is_next=True)

    def copy_unmade_outputs(self) -> None:
        """Outputs that no tiled phase makes: views of inputs, and results of movers."""
        tiled = {node.name for phase in self.phases if phase.is_tiled for node in phase.nodes}
        for state, name in self.traffic.carry_writes.items():
            if self.graph.storage(name) not in tiled:
                self.copy_value(name, "carry", state)
        for name in self.traffic.stream_writes:
            if self.graph.storage(name) not in tiled:
                self.copy_value(name, "stream", self.graph.storage(name))

    def copy_value(self, name: str, kind: Kind, target: str) -> None:
        e = self.e
        node = self.graph[self.graph.storage(name)]
        if node.op == "constant":
            with e.loop(self.first, self.alive) as slot:
                row = self.row(kind, target, slot, is_next=True)
                with e.loop(0, self.size(self.graph[name].shape)) as k:
                    e.store(e.element, literal(float(cast(float, node.settings["value"])), e.element), e.at(row, k))
            return
        source = self.home(name)
        with e.loop(self.first, self.alive) as slot:
            self.copy_row(self.row(*source, slot), self.row(kind, target, slot, is_next=True), self.graph[name].shape)

    def copy_row(self, source: str, target: str, axes: Shape) -> None:
        e, size = self.e, self.size(axes)
        with e.loop(0, size, e.width) as column:
            mask = e.lanes_below(e.i64("sub", size, column))
            e.masked_store(e.masked_load(e.at(source, column), mask), e.at(target, column), mask)

    def reset_rows(self, *, is_next: bool) -> None:
        e = self.e
        is_given = e.value(f"icmp ne ptr {self.resets}, null")
        with e.when(is_given), e.loop(self.first, self.alive) as slot:
            flag = e.value(f"load i8, ptr {e.at(self.resets, e.i64('add', self.offset, slot), 'i8')}, align 1")
            with e.when(e.value(f"icmp ne i8 {flag}, 0")):
                for buffer in [b for b in self.buffers if b.kind == "carry"]:
                    row = self.row("carry", buffer.name, slot, is_next=is_next)
                    with e.loop(0, self.size(buffer.axes)) as k:
                        e.store(e.element, literal(0.0, e.element), e.at(row, k))

    # ---- tiled phases

    def tiled(self, number: int, phase: Phase) -> None:
        e = self.e
        products = self.products(phase)
        slots = sum(node.op == "products" for node in phase.nodes)
        wide = max(1, _ACCUMULATORS // (ROWS[0] * slots)) if slots else 1
        size = self.size(phase.axes)
        vectors = e.i64("sdiv", e.i64("add", size, e.width - 1), e.width)
        whole = e.i64("mul", e.i64("sdiv", vectors, wide), wide)
        with e.loop(0, whole, wide) as tile:
            self.tile(number, phase, products, slots, wide, tile, size)
        if wide > 1:
            with e.loop(whole, vectors) as tile:
                self.tile(number, phase, products, slots, 1, tile, size)

    def tile(
        self,
        number: int,
        phase: Phase,
        products: Mapping[str, list[tuple[int, str, bool]]],
        slots: int,
        wide: int,
        tile: str,
        size: str,
    ) -> None:
        """One tile of hidden units, for all rows in groups."""
        e = self.e
        if not slots:
            with e.loop(self.first, self.alive) as slot:
                self.elementwise(phase, slot, e.i64("mul", tile, e.width), size, None)
            return
        sums = e.local(e.vector, str(slots * ROWS[0] * wide))
        row = e.local("i64")
        e.store("i64", self.first, row)
        for rows in ROWS:
            head, body, leave = (e.name(hint) for hint in ("group", "body", "leave"))
            e.do(f"br label {head}")
            e.lines.append(f"{head[1:]}:")
            start = e.load("i64", row)
            left = e.i64("sub", self.alive, start)
            e.do(f"br i1 {self.takes(rows, left)}, label {body}, label {leave}")
            e.lines.append(f"{body[1:]}:")
            self.multiply(number, products, slots, rows, wide, tile, start, sums)
            with e.loop(0, rows) as r, e.loop(0, wide) as u:
                place = e.i64("add", e.i64("mul", r, wide), u)
                column = e.i64("mul", e.i64("add", tile, u), e.width)
                self.elementwise(phase, e.i64("add", start, r), column, size, (sums, place, rows * wide))
            e.store("i64", e.i64("add", start, rows), row)
            e.do(f"br label {head}")
            e.lines.append(f"{leave[1:]}:")

    def takes(self, rows: int, left: str) -> str:
        """Whether the next group has this many rows: eight or nine are better taken as fours than as six and a few."""
        e = self.e
        if rows != ROWS[0]:
            return e.value(f"icmp sge i64 {left}, {rows}")
        many, exact = e.value(f"icmp sge i64 {left}, 10"), e.value(f"icmp eq i64 {left}, 6")
        return e.value(f"or i1 {many}, {exact}")

    def multiply(
        self,
        number: int,
        products: Mapping[str, list[tuple[int, str, bool]]],
        slots: int,
        rows: int,
        wide: int,
        tile: str,
        start: str,
        sums: str,
    ) -> None:
        """The products of one register tile, into `sums`, laid out (slot, row, vector)."""
        e = self.e
        places = [(s, r, u) for s in range(slots) for r in range(rows) for u in range(wide)]
        totals = {place: e.local(e.vector) for place in places}
        for total in totals.values():
            e.do(f"store {e.vector} zeroinitializer, ptr {total}, align 64")
        for vector, uses in products.items():
            kind, name = self.home(vector)
            sources = [self.row(kind, name, e.i64("add", start, r)) for r in range(rows)]
            length = self.size(self.graph[vector].shape)
            each = len(uses) * e.width
            block = e.i64("mul", length, each)
            packed = self.pointers["packed", f"{number}.{vector}"]
            panels = [e.at(packed, e.i64("mul", e.i64("add", tile, u), block)) for u in range(wide)]
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
        for s, r, u in places:
            value = e.value(f"load {e.vector}, ptr {totals[s, r, u]}, align 64")
            e.do(f"store {e.vector} {value}, ptr {e.at(sums, str((s * rows + r) * wide + u), e.vector)}, align 64")

    def elementwise(self, phase: Phase, slot: str, column: str, size: str, sums: tuple[str, str, int] | None) -> None:
        """All elementwise nodes of a phase on one vector of one row, and their stores."""
        e = self.e
        mask = e.lanes_below(e.i64("sub", size, column))
        values: dict[str, str] = {}
        number = 0

        def read(name: str) -> str:
            name = self.graph.storage(name)
            if name not in values:
                values[name] = self.read(name, slot, column, mask)
            return values[name]

        for node in phase.nodes:
            if node.op == "products":
                assert sums is not None
                place = e.i64("add", sums[1], number * sums[2])
                values[node.name] = e.value(f"load {e.vector}, ptr {e.at(sums[0], place, e.vector)}, align 64")
                number += 1
            else:
                values[node.name] = VECTOR[node.op](e, *(read(arg) for arg in node.args))
            self.write(node, values[node.name], slot, column, mask)

    def read(self, name: str, slot: str, column: str, mask: str) -> str:
        e, node = self.e, self.graph[name]
        if node.op == "constant":
            return e.number(float(cast(float, node.settings["value"])))
        row = self.row(*self.home(name), slot)
        if not [axis for axis in node.shape if axis != "1"]:
            return e.splat(e.load(e.element, row))
        return e.masked_load(e.at(row, column), mask)

    def write(self, node: Node, value: str, slot: str, column: str, mask: str) -> None:
        e = self.e
        targets: list[str] = []
        if any(b.kind == "scratch" and b.name == node.name for b in self.buffers):
            targets.append(self.row("scratch", node.name, slot))
        if node.name in {self.graph.storage(name) for name in self.traffic.stream_writes}:
            targets.append(self.row("stream", node.name, slot))
        for state, name in self.traffic.carry_writes.items():
            if self.graph.storage(name) == node.name:
                targets.append(self.row("carry", state, slot, is_next=True))
        for target in targets:
            e.masked_store(value, e.at(target, column), mask)

    # ---- movers

    def move(self, node: Node) -> None:
        """A broadcast or a sum, element by element."""
        e = self.e
        source_shape, (source,) = self.graph[node.args[0]].shape, node.args
        with e.loop(self.first, self.alive) as slot:
            target = self.row("scratch", node.name, slot)
            origin = self.row(*self.home(source), slot)
            if node.op == "broadcast":
                self.broadcast(node.shape, source_shape, origin, target)
            else:
                self.sum(cast(int, node.settings["axis"]), source_shape, origin, target)

    def flat(self, shape: Sequence[str], index: Sequence[str]) -> str:
        """The place of an element in a row."""
        e, place = self.e, "0"
        for axis, position in zip(shape, index, strict=True):
            place = e.i64("add", e.i64("mul", place, self.size((axis,))), position)
        return place

    def broadcast(self, shape: Shape, source_shape: Shape, origin: str, target: str) -> None:
        e, offset = self.e, len(shape) - len(source_shape)
        with ExitStack() as stack:
            index = [stack.enter_context(e.loop(0, self.size((axis,)))) for axis in shape]
            behind = index[offset:]
            source_index = [
                "0" if axis == "1" != wide else i
                for axis, wide, i in zip(source_shape, shape[offset:], behind, strict=True)
            ]
            value = e.load(e.element, e.at(origin, self.flat(source_shape, source_index)))
            e.store(e.element, value, e.at(target, self.flat(shape, index)))

    def sum(self, axis: int, shape: Shape, origin: str, target: str) -> None:
        e = self.e
        kept = [letter for k, letter in enumerate(shape) if k != axis]
        with ExitStack() as stack:
            index = [stack.enter_context(e.loop(0, self.size((letter,)))) for letter in kept]
            total = e.local(e.element)
            e.store(e.element, literal(0.0, e.element), total)
            with e.loop(0, self.size((shape[axis],))) as k:
                value = e.load(e.element, e.at(origin, self.flat(shape, [*index[:axis], k, *index[axis:]])))
                e.store(e.element, e.value(f"fadd {e.element} {e.load(e.element, total)}, {value}"), total)
            e.store(e.element, e.load(e.element, total), e.at(target, self.flat(kept, index)))
