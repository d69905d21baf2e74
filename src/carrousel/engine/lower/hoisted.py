"""A plan run by torch's own operations, on any device: what needs no state at once, then one product a vector in each step.

Where no loop has been compiled this is what the plan still buys: `interpret` of a shorter step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from carrousel.engine.graph import Graph, Node, axis_size
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.ops import OPS
from carrousel.engine.passes.join_inputs import JOINED, join_inputs
from carrousel.engine.plan import Plan

Use = tuple[str, bool]
"""A matrix, and whether it is used turned over."""


@dataclass(frozen=True, eq=False)
class Hoisted:
    """A loop for `interpret`.

    Args:
        plan: what it is made from.
        loop: the loop with one input a step and one product a vector.
        weights: parameter of the loop -> the matrices that lie below each other in it.
    """

    plan: Plan
    loop: Graph
    weights: Mapping[str, Sequence[Use]]

    def run(
        self,
        params: Mapping[str, Tensor],
        x: Tensor,
        state: Sequence[Tensor],
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Outputs and the last state; arguments as in `interpret`."""
        steps, batch = x.shape[:2]
        prologue = self.plan.prologue
        leaves = {node.name: params[node.name].unsqueeze(0) for node in prologue.leaves("param")}
        leaves |= {node.name: x.reshape(steps * batch, *x.shape[2:]) for node in prologue.leaves("x")}
        made = evaluate(prologue, leaves, x)
        shared = {name: made[name].squeeze(0) for role, name in prologue.outputs if role.startswith("param.")}
        inputs = [made[node.name].reshape(steps, batch, *made[node.name].shape[1:]) for node in self._inputs]
        values = {**params, **shared}
        values |= {name: torch.cat([_upright(values, use) for use in uses]) for name, uses in self.weights.items()}
        if len(inputs) != 1:
            inputs = [torch.cat([value.flatten(2) for value in inputs], dim=-1) if inputs else x[..., :0]]
        y, last, _ = interpret(self.loop, values, inputs[0], state, lengths, reset)
        return y, last

    @property
    def _inputs(self) -> list[Node]:
        return list(self.plan.loop.leaves("input"))


def hoist(plan: Plan) -> Hoisted:
    """The loop of a plan, for `interpret`."""
    nodes = [replace(node, op="x") if node.op == "input" else node for node in plan.loop.nodes]
    if not any(node.op == "x" for node in nodes):
        nodes.insert(0, Node("nothing", "x", (), ("0",)))
    joined, weights = _one_product_a_vector(plan.loop.with_nodes(tuple(nodes)))
    return Hoisted(plan, join_inputs(_renamed(joined, JOINED, f"{JOINED}.x"))[0], weights)


def _renamed(graph: Graph, old: str, new: str) -> Graph:
    """The graph without the name `old`, which a joined input takes."""

    def name(given: str) -> str:
        return new if given == old else given

    nodes = tuple(replace(n, name=name(n.name), args=tuple(name(arg) for arg in n.args)) for n in graph.nodes)
    return replace(graph, nodes=nodes, outputs=tuple((role, name(value)) for role, value in graph.outputs))


def evaluate(graph: Graph, leaves: Mapping[str, Tensor], like: Tensor) -> dict[str, Tensor]:
    """Every value of a graph from its leaves, which lead with a batch axis (of 1 for what all rows share)."""
    values = dict(leaves)
    for node in graph.computed:
        if node.op == "constant":
            values[node.name] = torch.full(
                (1,), cast(float, node.settings["value"]), dtype=like.dtype, device=like.device
            )
        elif all(arg in values for arg in node.args):
            arguments = [values[arg] for arg in node.args]
            values[node.name] = OPS[node.op].evaluate(arguments, node.settings, graph.sizes)
    return values


def _upright(values: Mapping[str, Tensor], use: Use) -> Tensor:
    matrix, is_turned = use
    return values[matrix].transpose(0, 1) if is_turned else values[matrix]


def _one_product_a_vector(graph: Graph) -> tuple[Graph, dict[str, list[Use]]]:
    """Each sum of products as a sum of parts of wider products.

    v1: H = products R_i h_tm1 transposed=(0)         h_tm1.all: 12 = matvec h_tm1.weights h_tm1
    v2: H = products R_f h_tm1 transposed=(0)    ->   v1.0: H = slice h_tm1.all axis=0 start=0 stop=6
                                                      v1: H = reshape v1.0 shape=(H)   ...
    """
    uses: dict[str, list[Use]] = {}
    for node in graph.nodes:
        for matrix, vector, is_turned in _pairs(node):
            if len(graph[matrix].shape) == 2 and (matrix, is_turned) not in uses.setdefault(vector, []):
                uses[vector].append((matrix, is_turned))
    uses = {vector: found for vector, found in uses.items() if found}
    leaves = [_weights(graph, vector, found) for vector, found in uses.items()]
    nodes: list[Node] = []
    done: set[str] = set()
    for node in graph.nodes:
        if node.op != "products":
            nodes.append(node)
            continue
        for vector in dict.fromkeys(node.args[1::2]):
            if vector in uses and vector not in done:
                done.add(vector)
                rows = leaves[list(uses).index(vector)].shape[:1]
                nodes.append(Node(f"{vector}.all", "matvec", (f"{vector}.weights", vector), rows))
        nodes += _sum_of_parts(graph, node, uses)
    return graph.with_nodes((*leaves, *nodes)), {f"{vector}.weights": found for vector, found in uses.items()}


def _pairs(node: Node) -> list[tuple[str, str, bool]]:
    if node.op != "products":
        return []
    turned = cast("tuple[int, ...]", node.settings["transposed"])
    return [(m, v, bool(t)) for m, v, t in zip(node.args[::2], node.args[1::2], turned, strict=True)]


def _rows(graph: Graph, use: Use) -> int:
    matrix, is_turned = use
    return axis_size(graph[matrix].shape[1 if is_turned else 0], graph.sizes)


def _weights(graph: Graph, vector: str, uses: Sequence[Use]) -> Node:
    rows = sum(_rows(graph, use) for use in uses)
    return Node(f"{vector}.weights", "param", (), (str(rows), graph[vector].shape[-1]))


def _sum_of_parts(graph: Graph, node: Node, uses: Mapping[str, Sequence[Use]]) -> list[Node]:
    made: list[Node] = []
    for k, (matrix, vector, is_turned) in enumerate(_pairs(node)):
        name = f"{node.name}.part{k}"
        if len(graph[matrix].shape) == 2:
            place = uses[vector].index((matrix, is_turned))
            start = sum(_rows(graph, use) for use in uses[vector][:place])
            settings = (("axis", 0), ("start", start), ("stop", start + _rows(graph, (matrix, is_turned))))
            made.append(Node(name, "slice", (f"{vector}.all",), node.shape, settings))
        else:
            settings = (("transposed", (int(is_turned),)),)
            made.append(Node(name, "products", (matrix, vector), node.shape, settings))
    total = made[0].name
    for k, part in enumerate(made[1:], start=1):
        made.append(Node(f"{node.name}.sum{k}", "add", (total, part.name), node.shape))
        total = made[-1].name
    return [*made, Node(node.name, "reshape", (total,), node.shape, (("shape", node.shape),))]
