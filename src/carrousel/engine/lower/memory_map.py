"""Where each value of a step lies, and the addresses of its rows."""

from collections.abc import Sequence

from carrousel.engine.graph import Graph, Shape, axis_size
from carrousel.engine.lower.emitter import Emitter
from carrousel.engine.lower.loop import Buffer, Cut, Cuts, Kind, Traffic
from carrousel.engine.passes.spell_broadcasts import ELEMENTWISE
from carrousel.engine.passes.split_phases import Phase, inline
from carrousel.engine.views import is_whole, view

Target = tuple[Kind, str, Shape | None]
"""A row that receives a value: kind and name of the buffer, and the axes in front of the value's place in it, if any."""


class MemoryMap:
    """The buffers of one loop and the addresses in them.

    Args:
        graph: the loop.
        traffic: what it reads and writes.
        phases: of the graph.
        e: receives the address arithmetic.
    """

    def __init__(self, graph: Graph, traffic: Traffic, phases: Sequence[Phase], e: Emitter) -> None:
        self.graph, self.traffic, self.e = graph, traffic, e
        self.phases = tuple(phases)
        self.inline = inline(graph, traffic.stream_writes)
        self.place = {node.name: k for k, phase in enumerate(phases) for node in phase.nodes}
        letters = {p for n in graph.nodes for axis in n.shape for p in axis.split("*") if not p.isdigit()}
        self.letters = tuple(sorted(letters))
        self.pieces = self._pieces()
        self.buffers: list[Buffer] = []
        self.pointers: dict[tuple[Kind, str], str] = {}
        self.sizes: dict[str, str] = {}
        self.row_sizes: dict[int, str] = {}
        self.strides = "%strides"
        self.cuts: Cuts | None = None
        self.bounds: list[tuple[Cut, str, str]] = []
        self._declare_all()

    # ---- what there is

    def _declare(self, kind: Kind, name: str, axes: Shape = (), packing: tuple[tuple[str, bool], ...] = ()) -> None:
        buffer = Buffer(kind, name, axes, packing)
        if buffer not in self.buffers:
            self.buffers.append(buffer)

    def _declare_all(self) -> None:
        t, graph = self.traffic, self.graph
        for name in t.streams:
            self._declare("stream", name, graph[name].shape)
        for leaf, state in t.carries.items():
            self._declare("carry", state, graph[leaf].shape)
        for state, name in t.carry_writes.items():
            self._declare("carry", state, graph[name].shape)
        for name in (*t.stream_writes, *t.copies):
            self._declare("stream", view(graph, name).source, graph[name].shape)
        matrices = {m for n in graph.computed if n.op == "products" for m in n.args[::2]}
        for node in graph.leaves("param"):
            if node.name not in matrices:
                self._declare("vector", node.name, node.shape)
        for k, phase in enumerate(self.phases):
            for vector, uses in self.products(phase).items():
                packing = tuple((matrix, turned) for _, matrix, turned in uses)
                self._declare("packed", f"{k}.{vector}", phase.loops[:-1], packing)
        for name in self._crossing():
            self._declare("scratch", name, graph[name].shape)

    def products(self, phase: Phase) -> dict[str, list[tuple[int, str, bool]]]:
        """Vector -> (accumulator, matrix, is turned over) for the products of a phase."""
        found: dict[str, list[tuple[int, str, bool]]] = {}
        nodes = [node for node in phase.nodes if node.op == "products"]
        for slot, node in enumerate(nodes):
            turned = node.settings["transposed"]
            assert isinstance(turned, tuple)
            for matrix, vector, is_turned in zip(node.args[::2], node.args[1::2], turned, strict=True):
                found.setdefault(self._operand(matrix, vector), []).append((slot, matrix, bool(is_turned)))
        return found

    def _operand(self, matrix: str, vector: str) -> str:
        """A vector that is read whole and one that is read head by head are packed apart."""
        source = view(self.graph, vector).source
        return f"{source}/heads" if len(self.graph[matrix].shape) == 3 else source

    def _crossing(self) -> list[str]:
        """Stored values that a later phase reads."""
        found: dict[str, None] = {}
        for k, phase in enumerate(self.phases):
            for node in phase.nodes:
                for arg in node.args:
                    if node.op != "concatenate" or not self.is_piece(arg, node.name):
                        found |= dict.fromkeys(self._stored_before(arg, k))
        return list(found)

    def _stored_before(self, name: str, phase: int) -> list[str]:
        source = view(self.graph, name).source
        if source in self.inline:
            return [found for arg in self.graph[source].args for found in self._stored_before(arg, phase)]
        return [source] if 0 <= self.place.get(source, -1) < phase else []

    def _pieces(self) -> dict[str, list[tuple[str, Shape]]]:
        """Value -> the concatenations it is written into at once, each with the axes in front of its place."""
        graph = self.graph
        found: dict[str, list[tuple[str, Shape]]] = {}
        for node in graph.computed:
            axis = node.settings.get("axis", 0)
            if node.op != "concatenate" or any(axis_size(a, graph.sizes) != 1 for a in node.shape[: int(str(axis))]):
                continue
            before = 0
            for arg in node.args:
                source = view(graph, arg).source
                is_made = graph[source].op in ELEMENTWISE and source in self.place
                if is_made and is_whole(graph, arg) and node.args.count(arg) == 1:
                    found.setdefault(source, []).append((node.name, (str(before),)))
                before += _elements(graph, graph[arg].shape)
        return found

    def is_piece(self, arg: str, concatenation: str) -> bool:
        """Whether the value is written into the concatenation where it is made."""
        source = view(self.graph, arg).source
        return any(name == concatenation for name, _ in self.pieces.get(source, []))

    def targets(self, name: str) -> list[Target]:
        """Where a computed value is written to."""
        found: list[Target] = []
        if any(b.kind == "scratch" and b.name == name for b in self.buffers):
            found.append(("scratch", name, None))
        if name in {view(self.graph, written).source for written in self.traffic.stream_writes}:
            found.append(("stream", name, None))
        for state, written in self.traffic.carry_writes.items():
            if view(self.graph, written).source == name:
                found.append(("carry", state, None))
        for whole, before in self.pieces.get(name, []):
            found.extend((kind, target, before) for kind, target, _ in self.targets(whole))
        return found

    def home(self, source: str) -> tuple[Kind, str]:
        """Where a stored value is read from when it was not made in this phase."""
        if source in self.traffic.carries:
            return "carry", self.traffic.carries[source]
        op = self.graph[source].op
        if op in ("input", "saved", "grad"):
            return "stream", source
        return ("vector", source) if op == "param" else ("scratch", source)

    # ---- parts of the units

    def deal(self, cuts: Cuts) -> None:
        """Make only the part of the units that the arguments of the call name."""
        e, self.cuts = self.e, cuts
        self.part, self.parts = e.local("i64"), e.local("i64")
        e.store("i64", "%part", self.part)
        e.store("i64", "%parts", self.parts)
        for cut in (*cuts.phases, *cuts.carries.values()):
            if cut is not None and not any(cut.deals_as(other) for other, _, _ in self.bounds):
                self.bounds.append((cut, e.local("i64"), e.local("i64")))
        self.set_bounds()

    def cut(self, phase: int) -> Cut | None:
        """How the units of a phase are dealt out; None where this call makes all of them."""
        return None if self.cuts is None else self.cuts.phases[phase]

    def set_bounds(self) -> None:
        """Work out which units belong to the part."""
        e = self.e
        part, parts = e.load("i64", self.part), e.load("i64", self.parts)
        for cut, first, last in self.bounds:
            units = self.size(cut.axes)
            if cut.in_vectors:
                units = e.i64("sdiv", e.i64("add", units, e.width - 1), e.width)
            e.store("i64", e.i64("sdiv", e.i64("mul", units, part), parts), first)
            e.store("i64", e.i64("sdiv", e.i64("mul", units, e.i64("add", part, 1)), parts), last)

    def units(self, cut: Cut | None, stop: str) -> tuple[str, str]:
        """The first unit of this part and the one after its last, of `stop` units."""
        if cut is None:
            return "0", stop
        first, last = next((first, last) for other, first, last in self.bounds if cut.deals_as(other))
        return self.e.load("i64", first), self.e.load("i64", last)

    def vectors(self, cut: Cut | None, size: str) -> tuple[str, str]:
        """The first element of this part and the one after its last, of `size` elements, where the units are vectors."""
        if cut is None or not cut.in_vectors:
            return "0", size
        first, last = self.units(cut, size)
        return self.e.i64("mul", first, self.e.width), self.e.i64("mul", last, self.e.width)

    def elements(self, cut: Cut | None, size: str) -> tuple[str, str]:
        """The first element of this part and the one after its last, of `size` elements, whatever the units are."""
        if cut is None:
            return "0", size
        first, last = self.units(cut, size)
        each = str(self.e.width) if cut.in_vectors else self.e.i64("sdiv", size, self.size(cut.axes))
        return self.e.i64("mul", first, each), self.e.minimum(self.e.i64("mul", last, each), size)

    # ---- addresses

    def open(self) -> None:
        """Load the arguments that hold for the whole call."""
        e = self.e
        self.sizes = {letter: e.argument("i64", "%sizes", str(k)) for k, letter in enumerate(self.letters)}
        self.row_sizes = {k: self.size(b.axes) for k, b in enumerate(self.buffers) if b.kind != "packed"}
        for k, buffer in enumerate(self.buffers):
            self.pointers[buffer.kind, buffer.name] = e.argument("ptr", "%pointers", str(k))

    def size(self, axes: Sequence[str]) -> str:
        """Elements along axes, as a run-time number."""
        total = "1"
        for axis in axes:
            for part in axis.split("*"):
                if part != "1":
                    number = part if part.isdigit() else self.sizes[part]
                    total = number if total == "1" else self.e.i64("mul", total, number)
        return total

    def at_step(self, time: str, *, is_backward: bool) -> None:
        """Set the step whose rows are meant."""
        e = self.e
        self.offset = e.argument("i64", "%offsets", time)
        odd, even = e.i64("and", time, 1), e.i64("and", e.i64("add", time, 1), 1)
        self.read_half, self.write_half = (even, odd) if is_backward else (odd, even)

    def row(self, kind: Kind, name: str, slot: str, *, is_next: bool = False) -> str:
        """The address of one sequence's row of a buffer, at the current step."""
        e = self.e
        number = next(k for k, b in enumerate(self.buffers) if (b.kind, b.name) == (kind, name))
        base = self.pointers[kind, name]
        if kind == "vector":
            return base
        if kind == "stream":
            stride = e.argument("i64", self.strides, str(number))
            return e.at(base, e.i64("mul", e.i64("add", self.offset, slot), stride))
        size = self.row_sizes[number]
        if kind == "scratch" and self.cuts is None:
            return e.at(base, e.i64("mul", slot, size))
        half = self.write_half if is_next and kind == "carry" else self.read_half
        return e.at(base, e.i64("mul", e.i64("add", e.i64("mul", half, "%rows"), slot), size))

    def target_rows(self, name: str, slot: str) -> list[str]:
        """The addresses that receive a value of one sequence."""
        rows: list[str] = []
        for kind, target, before in self.targets(name):
            row = self.row(kind, target, slot, is_next=True)
            rows.append(row if before is None else self.e.at(row, self.size(before)))
        return rows


def _elements(graph: Graph, shape: Shape) -> int:
    return axis_size("*".join(("1", *shape)), graph.sizes)
