"""The torch boundary: tensors in, compiled loops over all time steps, tensors and derivatives out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from carrousel.engine.backward import Backward
from carrousel.engine.compiled import Compiled, execute
from carrousel.engine.forward import Forward
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.lower.products import exact_products
from carrousel.engine.rows import Rows, lay_out


@dataclass(frozen=True)
class Recurrence:
    """A cell to be run over whole sequences.

    Args:
        compiled: its loops.
        params: by name.
        x: (T, B, D).
        state: one tensor (B, ...) a field.
        lengths: valid steps of each sequence.
        reset: where true, the state is zeroed before that step.
    """

    compiled: Compiled
    params: Mapping[str, Tensor]
    x: Tensor
    state: Sequence[Tensor]
    lengths: Tensor | None
    reset: Tensor | None


Outcome = tuple[Tensor, list[Tensor]]
"""Outputs (T, B, ...) and the last state."""


def run(recurrences: Sequence[Recurrence]) -> list[Outcome]:
    """Cells over time, those that do not wait for each other side by side; derivatives by the compiled backward loops."""
    given = [_Given(recurrence) for recurrence in recurrences]
    found: dict[int, Outcome] = {}
    with exact_products(recurrences[0].x.device.type):
        taped = [k for k, one in enumerate(given) if one.wants_gradient]
        bare = [k for k in range(len(given)) if k not in taped]
        if taped:
            tensors = [tensor for k in taped for tensor in given[k].tensors]
            results = cast("tuple[Tensor, ...]", _Run.apply([given[k] for k in taped], *tensors))
            groups = _cut(results, [1 + given[k].form.num_fields for k in taped])
            found |= {k: (y, list(last)) for k, (y, *last) in zip(taped, groups, strict=True)}
        if bare:
            forwards = [given[k].forward(given[k].tensors, is_training=False) for k in bare]
            found |= dict(zip(bare, _together(forwards), strict=True))
    return [one.finished(*found[k]) for k, one in enumerate(given)]


@dataclass(frozen=True)
class _Form:
    """What the tensors of a recurrence stand for: x, the state fields, the parameters; and what comes out: y, the state fields."""

    num_fields: int
    names: tuple[str, ...]

    @property
    def num_given(self) -> int:
        return 1 + self.num_fields + len(self.names)

    def parted(self, values: Sequence[Any]) -> tuple[Any, Sequence[Any], dict[str, Any]]:
        """What belongs to x, to the state, and to each parameter."""
        x, *others = values
        return x, others[: self.num_fields], dict(zip(self.names, others[self.num_fields :], strict=True))


class _Given:
    """A recurrence with its sequences laid out as the loops read them."""

    def __init__(self, recurrence: Recurrence) -> None:
        x, state, self.compiled = recurrence.x, recurrence.state, recurrence.compiled
        steps, batch = x.shape[0], x.shape[1]
        self.rows = rows = lay_out(steps, batch, recurrence.lengths, recurrence.reset)
        self.shapes = [field.shape for field in state]
        flat, start = x.reshape(steps * batch, x.shape[2]), [field.reshape(batch, -1) for field in state]
        if rows.index is not None and rows.order is not None:
            flat = flat.index_select(0, rows.index)
            start = [field.index_select(0, rows.order) for field in start]
        self.form = _Form(len(start), tuple(node.name for node in self.compiled.plan.graph.leaves("param")))
        self.tensors = [flat, *start, *(recurrence.params[name] for name in self.form.names)]

    @property
    def wants_gradient(self) -> bool:
        return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in self.tensors)

    def forward(self, tensors: Sequence[Tensor], *, is_training: bool) -> Forward:
        x, state, params = self.form.parted(tensors)
        return Forward(self.compiled, self.rows, x.contiguous(), state, params, is_training=is_training)

    def finished(self, y: Tensor, last: Sequence[Tensor]) -> Outcome:
        """Results laid out as the caller expects them."""
        rows, graph = self.rows, self.compiled.plan.graph
        if rows.index is not None and rows.order is not None:
            y = y.new_zeros(rows.steps * rows.batch, y.shape[1]).index_copy(0, rows.index, y)
            back = torch.argsort(rows.order)
            last = [field.index_select(0, back) for field in last]
        shape = graph.elements(dict(graph.outputs)["output"])
        fields = [field.reshape(form) for field, form in zip(last, self.shapes, strict=True)]
        return y.reshape(rows.steps, rows.batch, *shape), fields


def _together(forwards: Sequence[Forward]) -> list[Outcome]:
    calls = [forward.loop() for forward in forwards]
    execute(calls)
    return [forward.results(call) for forward, call in zip(forwards, calls, strict=True)]


def _cut(values: Sequence[Any], counts: Sequence[int]) -> list[Sequence[Any]]:
    """Values in groups of so many."""
    ends = list(accumulate(counts, initial=0))
    return [values[a:b] for a, b in pairwise(ends)]


class _Run(torch.autograd.Function):
    """Whole recurrences as one differentiable operation on packed rows, so that their loops run side by side both ways."""

    @staticmethod
    def forward(ctx: Any, given: Sequence[_Given], *tensors: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        forms = [one.form for one in given]
        parts = _cut(tensors, [form.num_given for form in forms])
        calls = [one.forward(part, is_training=True) for one, part in zip(given, parts, strict=True)]
        outcomes = _together(calls)
        ctx.set_materialize_grads(False)
        ctx.calls, ctx.forms = calls, forms
        ctx.save_for_backward(*(y for y, _ in outcomes), *tensors)
        return tuple(tensor for y, last in outcomes for tensor in (y, *last))

    @staticmethod
    def backward(ctx: Any, *derivatives: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        calls, forms = cast("list[Forward]", ctx.calls), cast("list[_Form]", ctx.forms)
        saved = cast("tuple[Tensor, ...]", ctx.saved_tensors)  # y, changed in place, is refused here
        counts = [form.num_given for form in forms]
        parts, wanted = _cut(saved[len(forms) :], counts), _cut(ctx.needs_input_grad[1:], counts)
        come = _cut(derivatives, [1 + form.num_fields for form in forms])
        uses = [_Use(*each) for each in zip(calls, forms, parts, come, wanted, strict=True)]
        if torch.is_grad_enabled():
            return None, *(term for use in uses for term in use.by_interpret())
        found: dict[int, Sequence[Tensor | None]] = {}
        with exact_products(saved[0].device.type):
            used = [k for k, use in enumerate(uses) if any(d is not None for d in use.derivatives)]
            backwards = [uses[k].backward() for k in used]
            loops = [backward.loop() for backward in backwards]
            execute(loops)
            for k, backward, loop in zip(used, backwards, loops, strict=True):
                d_x, d_state, d_params = backward.results(loop)
                found[k] = [d_x, *d_state, *(d_params.get(name) for name in forms[k].names)]
        if not torch._C._autograd._get_current_graph_task_keep_graph():  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
            ctx.calls = None  # the tapes can serve the next call while the caller still holds y
        return None, *(term for k, count in enumerate(counts) for term in found.get(k, [None] * count))


@dataclass(frozen=True, eq=False)
class _Use:
    """A recurrence, and what comes back to it: the derivatives of its results, and which of its tensors want one."""

    call: Forward
    form: _Form
    tensors: Sequence[Tensor]
    derivatives: Sequence[Tensor | None]
    wanted: Sequence[bool]

    def backward(self) -> Backward:
        x, _, params = self.form.parted(self.tensors)
        wants_x, _, wanted = self.form.parted(self.wanted)
        return Backward(self.call, x, params, self.derivatives, wants_x, wanted)

    def by_interpret(self) -> tuple[Tensor | None, ...]:
        return _by_interpret(self.call, *self.form.parted(self.tensors), self.derivatives, self.wanted)


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
