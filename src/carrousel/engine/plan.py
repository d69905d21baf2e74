"""What the engine makes of a cell before it knows any number: the graphs, the tape, the loops, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from carrousel.engine.derivatives import PREFIX, RULES, WITHOUT_DERIVATIVE
from carrousel.engine.graph import Graph, Node
from carrousel.engine.lower.llvm import cuts_of, lower, unsupported
from carrousel.engine.lower.loop import Cuts, Loop, Traffic
from carrousel.engine.passes.choose_tape import choose_tape
from carrousel.engine.passes.differentiate import NEXT, OUTPUT, differentiate
from carrousel.engine.passes.fuse_inputs import D_X, derive_input, fuse_inputs
from carrousel.engine.passes.hoist_inputs import hoist_inputs
from carrousel.engine.passes.join_inputs import is_whole_input
from carrousel.engine.passes.join_matmuls import join_matmuls
from carrousel.engine.passes.simplify import simplify
from carrousel.engine.passes.spell_broadcasts import spell_broadcasts
from carrousel.engine.passes.spell_copies import spell_copies
from carrousel.engine.passes.spell_products import spell_products
from carrousel.engine.passes.split_phases import Phase, split_phases
from carrousel.engine.spec import check
from carrousel.engine.verdicts import switched_off
from carrousel.engine.views import view

_MOST_PRODUCTS = 4
"""Products of one phase whose sums fit into the registers for six rows."""

Kind = Literal["train", "infer", "backward", "train+x", "infer+x", "backward+x"]
"""The loops of a plan: forward with a tape, forward without, backward; +x: with the products on x_t in the loop's own tiles."""


@dataclass(frozen=True)
class Linear:
    """Streams that are W x_t for all steps: one product over T·B makes them all.

    Args:
        names: of the streams, in the order of their columns.
        weights: names of parameters, or of values made from parameters alone.
    """

    names: tuple[str, ...]
    weights: tuple[str, ...]


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
        found: list[tuple[str, str]] = []
        for role, name in self.prologue.outputs:
            weight = _weight_of(self.prologue, name) if role.startswith("input.") else None
            if weight is not None:
                found.append((name, weight))
        return Linear(tuple(name for name, _ in found), tuple(weight for _, weight in found))

    @cached_property
    def fused(self) -> Graph | None:
        """The loop with the products on x_t in it; None where there are none, where none on the state keeps them company, or
        where they would not fit into the registers of a tile.
        """
        has_products = any(node.op == "products" for node in self.loop.nodes)
        if self.reason or not has_products or not self._x_weights:
            return None
        fused = fuse_inputs(self.loop, self._x_weights, self.tape)
        before, after = (max(map(_num_products, split_phases(g, self.tape))) for g in (self.loop, fused))
        return check(fused) if after <= max(before, _MOST_PRODUCTS) else None

    @cached_property
    def backward_to_x(self) -> Graph | None:
        """The backward loop that also gives the derivative of x_t; None where it cannot, or where `fused` is none."""
        if self.fused is None:
            return None
        graph = derive_input(self.backward, self._x_weights)
        return None if graph is None else check(graph)

    @cached_property
    def _x_weights(self) -> dict[str, Node]:
        """Hoisted product -> its matrix."""
        pairs = zip(self.linear.names, self.linear.weights, strict=True)
        return {name: Node(weight, "param", (), self.prologue[weight].shape) for name, weight in pairs}

    @cached_property
    def rest(self) -> Graph:
        """The other outputs of the prologue, and the weights of the joined product that must be made first."""
        outputs = tuple((role, name) for role, name in self.prologue.outputs if name not in self.linear.names)
        present = {name for _, name in outputs}
        made = [w for w in dict.fromkeys(self.linear.weights) if self.prologue[w].op != "param" and w not in present]
        outputs += tuple((f"param.{weight}", weight) for weight in made)
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
        return view(self.loop, dict(self.loop.outputs)["output"]).source

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The forward loop's phases in training."""
        return split_phases(self.loop, self.tape)

    @cached_property
    def num_product_phases(self) -> int:
        """Products inside a forward step that must wait for each other."""
        waited: dict[str, int] = {}
        for node in self.loop.nodes:
            before = max((waited[arg] for arg in node.args), default=0)
            waited[node.name] = before + (node.op == "products")
        return max(waited.values())

    @cached_property
    def derivatives(self) -> tuple[tuple[str, str], ...]:
        """Role -> value, for what the backward loop writes down for every step."""
        found = [(role, name) for role, name in self.backward.outputs if not role.startswith("state.")]
        return tuple((role, view(self.backward, name).source) for role, name in found)

    @cached_property
    def param_terms(self) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
        """Parameter, the value that is one term of its derivative for every step, and the shape to read that in."""
        found = [
            (role.removeprefix("param."), name) for role, name in self.backward.outputs if role.startswith("param.")
        ]
        return tuple((param, view(self.backward, name).source, self.backward.elements(name)) for param, name in found)

    @cached_property
    def in_place(self) -> dict[str, str]:
        """Tape value -> the input stream whose memory it takes over, because nothing reads that any more."""
        place = {node.name: k for k, phase in enumerate(self.phases) for node in phase.nodes}
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

    def loop_of(self, kind: Kind, element: str, width: int, *, is_shared: bool = False) -> Loop:
        """A loop as LLVM text; `is_shared` where several threads share the units of its rows."""
        return lower(
            self.graph_of(kind), self._traffic(kind), element, width, kind.replace("+", "_"), is_shared=is_shared
        )

    def cuts(self, kind: Kind) -> Cuts | None:
        """How several threads would share the units of a loop; None where they cannot."""
        is_moved_in_place = any(not phase.is_tiled and phase.nodes[0].name in self.in_place for phase in self.phases)
        if is_moved_in_place:  # where each part does all of a phase, a late one would read what is overwritten
            return None
        return cuts_of(self.graph_of(kind), self._traffic(kind))

    def written(self, kind: Kind) -> tuple[str, ...]:
        """Values that a loop writes for every step."""
        graph, traffic = self.graph_of(kind), self._traffic(kind)
        return tuple(view(graph, name).source for name in (*traffic.stream_writes, *traffic.copies))

    def phases_of(self, kind: Kind) -> tuple[Phase, ...]:
        """The phases of a loop."""
        return split_phases(self.graph_of(kind), self._traffic(kind).stream_writes)

    def graph_of(self, kind: Kind) -> Graph:
        """A step of a loop."""
        found = {
            "backward": self.backward,
            "backward+x": self.backward_to_x,
            "train+x": self.fused,
            "infer+x": self.fused,
        }
        graph = found.get(kind, self.loop)
        assert graph is not None
        return graph

    def _traffic(self, kind: Kind) -> Traffic:
        graph = self.graph_of(kind)
        if kind.startswith("backward"):
            return self._backward_traffic(graph)
        is_training = kind.startswith("train")
        state_tape = tuple(n for n in self.tape if n in self.carries)
        made_tape = tuple(n for n in self.tape if graph[n].op not in ("state", "input"))
        return Traffic(
            streams=tuple(node.name for node in graph.leaves("input")),
            carries=self.carries,
            stream_writes=(self.output, *(n for n in made_tape if is_training and n != self.output)),
            carry_writes={role.removeprefix("state."): n for role, n in graph.outputs if role != "output"},
            copies=state_tape if is_training else (),
        )

    def _backward_traffic(self, backward: Graph) -> Traffic:
        grads = {node.name: node.name for node in backward.leaves("grad")}
        return Traffic(
            streams=tuple(n.name for n in backward.nodes if n.op == "saved" or n.name == OUTPUT),
            carries={n: n.removeprefix(PREFIX).removesuffix(NEXT) for n in grads if n != OUTPUT},
            stream_writes=(*self.backward_streams, *([D_X] if D_X in backward else [])),
            carry_writes={
                role.removeprefix("state."): name for role, name in backward.outputs if role.startswith("state.")
            },
            is_backward=True,
        )

    @cached_property
    def backward_streams(self) -> tuple[str, ...]:
        """Values that the backward loop writes for every step; the derivative of the output is there already."""
        return tuple(dict.fromkeys(name for _, name in self.derivatives if name != OUTPUT))


def make_plan(graph: Graph) -> Plan:
    """The plan of a traced step."""
    joined = check(simplify(join_matmuls(simplify(spell_products(simplify(graph))))))
    prologue, loop = hoist_inputs(joined)
    loop = check(spell_copies(simplify(spell_broadcasts(loop))))
    reason = _without_derivative(loop)
    backward, tape = loop, ()
    if not reason:
        backward, tape = choose_tape(loop, simplify(spell_broadcasts(differentiate(loop))))
        backward = check(spell_copies(backward))
        reason = unsupported(loop) or unsupported(backward) or switched_off("llvm")
    return Plan(graph, check(prologue), loop, backward, tape, reason)


def _num_products(phase: Phase) -> int:
    return sum(node.op == "products" for node in phase.nodes)


def _without_derivative(loop: Graph) -> str:
    for node in loop.computed:
        if node.op not in RULES and node.op not in WITHOUT_DERIVATIVE and node.op != "constant":
            return f"the operation {node.op!r} (value {node.name}) has no derivative rule yet"
    return ""


def _weight_of(graph: Graph, name: str) -> str | None:
    """The matrix of a value that is W x_t; None for any other."""
    node = graph[name]
    if node.op != "matvec" or len(node.shape) != 1:
        return None
    matrix, vector = (graph[arg] for arg in node.args)
    is_shared = all(graph[ancestor].op != "x" for ancestor in _ancestors(graph, matrix.name))
    return matrix.name if is_shared and is_whole_input(graph, vector) else None


def _ancestors(graph: Graph, name: str) -> set[str]:
    found: set[str] = set()
    waiting: Sequence[Node] = [graph[name]]
    while waiting:
        args = {arg for node in waiting for arg in node.args} - found
        found |= args
        waiting = [graph[arg] for arg in args]
    return found
