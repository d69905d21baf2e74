"""What the engine makes of a cell before it knows any number: the graphs, the tape, the loops, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from carrousel.engine.graph import Graph, Node
from carrousel.engine.lower.llvm import Loop, Traffic, lower, unsupported
from carrousel.engine.passes.choose_tape import choose_tape
from carrousel.engine.passes.differentiate import NEXT, OUTPUT, PREFIX, RULES, WITHOUT_DERIVATIVE, differentiate
from carrousel.engine.passes.hoist_inputs import hoist_inputs
from carrousel.engine.passes.join_matmuls import join_matmuls
from carrousel.engine.passes.simplify import simplify
from carrousel.engine.passes.spell_broadcasts import spell_broadcasts
from carrousel.engine.passes.split_phases import split_phases
from carrousel.engine.spec import check


@dataclass(frozen=True)
class Linear:
    """Streams that are W x_t, or W x_t + b, for all steps: one product over T·B makes them all.

    Args:
        names: of the streams, in the order of their columns.
        weights: parameter names.
        biases: parameter names, None where there is no bias.
    """

    names: tuple[str, ...]
    weights: tuple[str, ...]
    biases: tuple[str | None, ...]


@dataclass(frozen=True)
class Plan:
    """A step, cut, differentiated and scheduled.

    Args:
        graph: the step as traced.
        prologue: what needs no state.
        loop: what runs in time.
        backward: the derivative of the loop.
        tape: values of the loop that are written down for the backward loop.
        reason: why the compiled loops cannot be used; empty when they can.
    """

    graph: Graph
    prologue: Graph
    loop: Graph
    backward: Graph
    tape: tuple[str, ...]
    reason: str

    @cached_property
    def linear(self) -> Linear:
        """The part of the prologue that is one joined product."""
        found: list[tuple[str, str, str | None]] = []
        for role, name in self.prologue.outputs:
            term = _linear_term(self.prologue, name) if role.startswith("input.") else None
            if term is not None:
                found.append((name, *term))
        return Linear(tuple(n for n, _, _ in found), tuple(w for _, w, _ in found), tuple(b for _, _, b in found))

    @cached_property
    def rest(self) -> Graph:
        """The other outputs of the prologue."""
        outputs = tuple((role, name) for role, name in self.prologue.outputs if name not in self.linear.names)
        return simplify(Graph(self.prologue.name, self.prologue.nodes, outputs, self.prologue.sizes))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """State fields in order."""
        return tuple(role.removeprefix("state.") for role, _ in self.loop.outputs if role.startswith("state."))

    @cached_property
    def carries(self) -> dict[str, str]:
        """State leaf -> field."""
        leaves = [node.name for node in self.graph.leaves("state")]
        present = {node.name for node in self.loop.leaves("state")}
        return {leaf: field for leaf, field in zip(leaves, self.fields, strict=True) if leaf in present}

    @cached_property
    def output(self) -> str:
        """The value that is put out."""
        return self.loop.storage(dict(self.loop.outputs)["output"])

    @property
    def num_product_phases(self) -> int:
        """Products inside a forward step that must wait for each other."""
        return sum(any(node.op == "products" for node in phase.nodes) for phase in split_phases(self.loop))

    @cached_property
    def derivatives(self) -> tuple[tuple[str, str], ...]:
        """Role -> value, for what the backward loop writes down for every step."""
        found = [(role, name) for role, name in self.backward.outputs if not role.startswith("state.")]
        return tuple((role, self.backward.storage(name)) for role, name in found)

    @cached_property
    def in_place(self) -> dict[str, str]:
        """Tape value -> the input stream whose memory it takes over, because nothing reads that any more."""
        phases = split_phases(self.loop)
        place = {node.name: k for k, phase in enumerate(phases) for node in phase.nodes}
        free = [n.name for n in self.loop.leaves("input") if n.name not in self.tape and n.name in self.linear.names]
        taken: dict[str, str] = {}
        for name in self.tape:
            if self.loop[name].op in ("state", "input", "param") or name not in place:
                continue
            ancestors = _ancestors(self.loop, name)
            for stream in free:
                users = {place.get(n.name) for n in self.loop.nodes if stream in n.args}
                same_size = self.loop.elements(stream) == self.loop.elements(name)
                if stream in ancestors and users == {place[name]} and same_size:
                    taken[name] = stream
                    free.remove(stream)
                    break
        return taken

    def forward_loop(self, element: str, width: int, *, is_training: bool) -> Loop:
        """The forward loop as LLVM text; with the tape only when training."""
        state_tape = tuple(n for n in self.tape if n in self.carries)
        made_tape = tuple(n for n in self.tape if self.loop[n].op not in ("state", "input"))
        traffic = Traffic(
            streams=tuple(node.name for node in self.loop.leaves("input")),
            carries=self.carries,
            stream_writes=(self.output, *(n for n in made_tape if is_training and n != self.output)),
            carry_writes={role.removeprefix("state."): n for role, n in self.loop.outputs if role != "output"},
            copies=state_tape if is_training else (),
        )
        return lower(self.loop, traffic, element, width, "train" if is_training else "infer")

    def backward_loop(self, element: str, width: int) -> Loop:
        """The backward loop as LLVM text."""
        grads = {node.name: node.name for node in self.backward.leaves("grad")}
        traffic = Traffic(
            streams=tuple(n.name for n in self.backward.nodes if n.op == "saved" or n.name == OUTPUT),
            carries={n: n.removeprefix(PREFIX).removesuffix(NEXT) for n in grads if n != OUTPUT},
            stream_writes=self.backward_streams,
            carry_writes={
                role.removeprefix("state."): name for role, name in self.backward.outputs if role.startswith("state.")
            },
            is_backward=True,
        )
        return lower(self.backward, traffic, element, width, "backward")

    @cached_property
    def backward_streams(self) -> tuple[str, ...]:
        """Values that the backward loop writes for every step; the derivative of the output is there already."""
        return tuple(dict.fromkeys(name for _, name in self.derivatives if name != OUTPUT))


def make_plan(graph: Graph) -> Plan:
    """The plan of a traced step."""
    joined = check(simplify(join_matmuls(simplify(graph))))
    prologue, loop = hoist_inputs(joined)
    loop = check(simplify(spell_broadcasts(loop)))
    reason = _without_derivative(loop)
    backward, tape = loop, ()
    if not reason:
        backward, tape = choose_tape(loop, simplify(differentiate(loop)))
        check(backward)
        reason = unsupported(loop) or unsupported(backward)
    return Plan(graph, check(prologue), loop, backward, tape, reason)


def _without_derivative(loop: Graph) -> str:
    for node in loop.computed:
        if node.op not in RULES and node.op not in WITHOUT_DERIVATIVE and node.op != "constant":
            return f"the operation {node.op!r} (value {node.name}) has no derivative rule yet"
    return ""


def _linear_term(graph: Graph, name: str) -> tuple[str, str | None] | None:
    """The weight and bias of a value that is W x, or W x + b; None for any other."""
    node = graph[name]
    product, bias = node, None
    if node.op == "add":
        first, second = (graph[arg] for arg in node.args)
        product, other = (first, second) if first.op == "matvec" else (second, first)
        bias = other.name
        if other.op != "param" or other.shape != node.shape:
            return None
    if product.op != "matvec" or len(node.shape) != 1:
        return None
    matrix, vector = (graph[arg] for arg in product.args)
    return (matrix.name, bias) if matrix.op == "param" and vector.op == "x" else None


def _ancestors(graph: Graph, name: str) -> set[str]:
    found: set[str] = set()
    waiting: Sequence[Node] = [graph[name]]
    while waiting:
        args = {arg for node in waiting for arg in node.args} - found
        found |= args
        waiting = [graph[arg] for arg in args]
    return found
