"""A graph run over time, one node at a time: slow, obvious, and the definition that every other lowering is held against.

Batched, differentiable by torch, any dtype and any device.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from carrousel.engine.graph import LEAVES, Graph
from carrousel.engine.ops import OPS

Values = dict[str, Tensor]


def interpret(
    graph: Graph,
    params: Mapping[str, Tensor],
    x: Float[Tensor, "T B D"],
    state: Sequence[Float[Tensor, "B ..."]],
    lengths: Int[Tensor, " B"] | None = None,
    reset: Bool[Tensor, "T B"] | None = None,
    record: Sequence[str] = (),
) -> tuple[Float[Tensor, "T B O"], list[Float[Tensor, "B ..."]], dict[str, Shaped[Tensor, "T B ..."]]]:
    """Run the step over all time steps.

    Args:
        graph: of one step.
        params: leaf name -> tensor.
        state: one tensor a state field, in the graph's order.
        lengths: valid steps of each row; past them the state stays and the output is zero.
        reset: where true, the state is zeroed before that step.
        record: names of values to keep for every step.

    Returns:
        Outputs, the state after each row's last valid step, and the recorded values.
    """
    roles = dict(graph.outputs)
    fields = [name for role, name in graph.outputs if role.startswith("state.")]
    shared = _shared_values(graph, params, x)
    per_step = [node for node in graph.computed if node.name not in shared]
    state_leaves = [node.name for node in graph.leaves("state")]
    (x_leaf,) = (node.name for node in graph.leaves("x"))
    outputs: list[Tensor] = []
    kept: dict[str, list[Tensor]] = {name: [] for name in record}
    current = list(state)
    batch = x.shape[1]
    for t in range(x.shape[0]):
        if reset is not None:
            begins = reset[t] if lengths is None else reset[t] & (t < lengths)
            current = [torch.where(_beside(begins, s), s.new_zeros(()), s) for s in current]
        values = shared | {x_leaf: x[t]} | dict(zip(state_leaves, current, strict=True))
        for node in per_step:
            values[node.name] = OPS[node.op].evaluate([values[a] for a in node.args], node.settings, graph.sizes)
        after = [_with_batch(values[name], batch) for name in fields]
        output = _with_batch(values[roles["output"]], batch)
        if lengths is not None:
            alive = t < lengths
            after = [torch.where(_beside(alive, n), n, o) for n, o in zip(after, current, strict=True)]
            output = torch.where(_beside(alive, output), output, output.new_zeros(()))
        current = after
        outputs.append(output)
        for name in record:
            kept[name].append(_with_batch(values[name], batch))
    return _stack(outputs, x, graph, roles["output"]), current, {n: _stack(v, x, graph, n) for n, v in kept.items()}


def _shared_values(graph: Graph, params: Mapping[str, Tensor], x: Tensor) -> Values:
    """Everything that depends on neither the input nor the state, once, with a batch axis of 1."""
    values = {node.name: params[node.name].unsqueeze(0) for node in graph.leaves("param")}
    for node in graph.computed:
        if node.op == "constant":
            values[node.name] = torch.full((1,), cast(float, node.settings["value"]), dtype=x.dtype, device=x.device)
        elif node.op not in LEAVES and all(arg in values for arg in node.args):
            values[node.name] = OPS[node.op].evaluate([values[a] for a in node.args], node.settings, graph.sizes)
    return values


def _beside(mask: Bool[Tensor, " B"], value: Tensor) -> Tensor:
    """The mask with axes of 1 appended, to select whole rows of `value`."""
    return mask.reshape(-1, *(1,) * (value.dim() - 1))


def _with_batch(value: Tensor, batch: int) -> Tensor:
    return value if value.shape[0] == batch else value.expand(batch, *value.shape[1:])


def _stack(values: Sequence[Tensor], x: Tensor, graph: Graph, name: str) -> Tensor:
    if values:
        return torch.stack(list(values))
    return x.new_zeros((0, x.shape[1], *graph.elements(name)))
