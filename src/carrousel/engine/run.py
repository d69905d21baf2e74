"""The torch boundary: tensors in, compiled loops over all time steps, tensors and derivatives out."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from carrousel.engine.backward import Backward
from carrousel.engine.compiled import Compiled
from carrousel.engine.forward import Forward
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.lower.products import exact_products
from carrousel.engine.rows import Rows, lay_out


def run(
    compiled: Compiled,
    params: Mapping[str, Tensor],
    x: Tensor,
    state: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
) -> tuple[Tensor, list[Tensor]]:
    """Outputs (T, B, ...) and the last state of a cell over time; derivatives by the compiled backward loop."""
    steps, batch = x.shape[0], x.shape[1]
    rows = lay_out(steps, batch, lengths, reset)
    flat = x.reshape(steps * batch, x.shape[2])
    start = [field.reshape(batch, -1) for field in state]
    if rows.index is not None and rows.order is not None:
        flat = flat.index_select(0, rows.index)
        start = [field.index_select(0, rows.order) for field in start]
    names = [node.name for node in compiled.plan.graph.leaves("param")]
    given = [params[name] for name in names]
    with exact_products(x.device.type):
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (flat, *start, *given)):
            y, *last = cast("tuple[Tensor, ...]", _Run.apply(compiled, rows, names, flat, *start, *given))
        else:
            y, last = Forward(compiled, rows, flat.contiguous(), start, params, is_training=False).run()
    if rows.index is not None and rows.order is not None:
        y = y.new_zeros(steps * batch, y.shape[1]).index_copy(0, rows.index, y)
        back = torch.argsort(rows.order)
        last = [field.index_select(0, back) for field in last]
    shape = compiled.plan.graph.elements(dict(compiled.plan.graph.outputs)["output"])
    return y.reshape(steps, batch, *shape), [f.reshape(field.shape) for f, field in zip(last, state, strict=True)]


class _Run(torch.autograd.Function):
    """The whole recurrence as one differentiable operation on packed rows."""

    @staticmethod
    def forward(ctx: Any, compiled: Compiled, rows: Rows, names: Sequence[str], x: Tensor, *tensors: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        plan = compiled.plan
        count = len(plan.fields)
        state, params = tensors[:count], dict(zip(names, tensors[count:], strict=True))
        call = Forward(compiled, rows, x.contiguous(), state, params, is_training=True)
        y, last = call.run()
        ctx.set_materialize_grads(False)
        ctx.call, ctx.names = call, names
        ctx.save_for_backward(y, x, *tensors)
        return (y, *last)

    @staticmethod
    def backward(ctx: Any, *derivatives: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        call = cast(Forward, ctx.call)
        _, x, *tensors = cast("tuple[Tensor, ...]", ctx.saved_tensors)  # y, changed in place, is refused here
        count = len(call.compiled.plan.fields)
        state, params = tensors[:count], dict(zip(ctx.names, tensors[count:], strict=True))
        if torch.is_grad_enabled():
            return None, None, None, *_by_interpret(call, x, state, params, derivatives, ctx.needs_input_grad[3:])
        wanted = dict(zip(ctx.names, ctx.needs_input_grad[4 + count :], strict=True))
        with exact_products(x.device.type):
            d_x, d_state, d_params = Backward(call, x, params, derivatives, ctx.needs_input_grad[3], wanted).run()
        if not torch._C._autograd._get_current_graph_task_keep_graph():  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
            ctx.call = None  # the tape can serve the next call while the caller still holds y
        return None, None, None, d_x, *d_state, *(d_params.get(name) for name in ctx.names)


def _by_interpret(
    call: Forward,
    x: Tensor,
    state: Sequence[Tensor],
    params: Mapping[str, Tensor],
    derivatives: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    """First derivatives that can be differentiated again: the step by `interpret`, under torch's own differentiation."""
    x, state = x.view_as(x), [s.view_as(s) for s in state]  # one tensor given twice has a derivative in each place
    params = {name: value.view_as(value) for name, value in params.items()}
    plan, rows = call.plan, call.rows
    shapes = [plan.graph.elements(leaf.name) for leaf in plan.graph.leaves("state")]
    padded, lengths, reset = x, None, None
    if rows.index is not None:
        padded = x.new_zeros(rows.steps * rows.batch, x.shape[1]).index_copy(0, _packed_places(rows), x)
        lengths = rows.lengths
    if rows.resets is not None:
        flags = torch.zeros(rows.steps * rows.batch, dtype=torch.bool)
        places = _packed_places(rows) if rows.index is not None else torch.arange(rows.total)
        reset = flags.index_copy(0, places, rows.resets.bool()).reshape(rows.steps, rows.batch)
    start = [s.reshape(rows.batch, *shape) for s, shape in zip(state, shapes, strict=True)]
    y, last, _ = interpret(plan.graph, params, padded.reshape(rows.steps, rows.batch, -1), start, lengths, reset)
    y = y.reshape(rows.steps * rows.batch, -1)
    y = y if rows.index is None else y.index_select(0, _packed_places(rows))
    outputs = [y, *(s.reshape(rows.batch, -1) for s in last)]
    pairs = [(o, d) for o, d in zip(outputs, derivatives, strict=True) if d is not None and o.requires_grad]
    inputs = [x, *state, *params.values()]
    chosen = [tensor for tensor, is_wanted in zip(inputs, wanted, strict=True) if is_wanted]
    terms = torch.autograd.grad(
        [o for o, _ in pairs], chosen, [d for _, d in pairs], create_graph=True, allow_unused=True
    )
    found = iter(terms)
    return tuple(next(found) if is_wanted else None for is_wanted in wanted)


def _packed_places(rows: Rows) -> Tensor:
    """Row of a padded layout in which the longest sequence comes first, for each packed row."""
    counts = torch.from_numpy(np.diff(rows.offsets))
    return torch.cat([t * rows.batch + torch.arange(int(n)) for t, n in enumerate(counts)])
