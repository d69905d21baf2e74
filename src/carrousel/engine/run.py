"""The torch boundary: tensors in, compiled loops over all time steps, tensors and derivatives out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from carrousel.engine.graph import Graph, axis_size
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.lower.jit import Entry, compile_text, vector_bytes
from carrousel.engine.lower.llvm import Buffer, Loop
from carrousel.engine.lower.team import call_in_shares
from carrousel.engine.memory import Lease, lease
from carrousel.engine.ops import OPS
from carrousel.engine.passes.differentiate import OUTPUT
from carrousel.engine.plan import Plan

_ELEMENTS = {torch.float32: "float", torch.float64: "double"}
_WORTH_A_THREAD = 200_000
"""Multiplications below which handing half of the rows to another thread costs more than it saves."""


@dataclass(frozen=True, eq=False)
class Rows:
    """How sequences lie in memory: all valid steps, time by time, longest sequence first.

    Args:
        steps: T.
        batch: B.
        offsets: T + 1 row numbers; step t owns the rows from offsets[t] to offsets[t + 1].
        lengths: valid steps of each sequence in this order; None when all are T.
        order: sequence at each place; None when unchanged.
        index: row of the padded (T·B) layout for each packed row; None when they are the same.
        resets: one byte a packed row; None without resets.
    """

    steps: int
    batch: int
    offsets: Any
    lengths: Tensor | None
    order: Tensor | None
    index: Tensor | None
    resets: Tensor | None

    @property
    def total(self) -> int:
        return int(self.offsets[-1])

    def shares(self, count: int) -> list[tuple[int, int]]:
        """The sequences cut into parts of about the same number of steps."""
        if self.lengths is None:
            bounds = [round(k * self.batch / count) for k in range(count + 1)]
        else:
            work = self.lengths.cumsum(0).double()
            parts = torch.linspace(0, 1, count + 1, dtype=torch.float64)[1:-1] * work[-1]
            inner = cast("list[int]", torch.searchsorted(work, parts).tolist())
            bounds = [0, *(place + 1 for place in inner), self.batch]
        return [(a, b) for a, b in pairwise(bounds) if a < b]


def lay_out(steps: int, batch: int, lengths: Tensor | None, reset: Tensor | None) -> Rows:
    """The rows of a batch, with its lengths and resets."""
    resets = None if reset is None else reset.reshape(steps * batch).to(torch.uint8)
    if lengths is None:
        return Rows(steps, batch, np.arange(steps + 1, dtype=np.int64) * batch, None, None, None, resets)
    sorted_lengths, order = torch.sort(lengths.cpu(), descending=True, stable=True)
    alive = torch.arange(steps)[:, None] < sorted_lengths
    offsets = np.concatenate([[0], alive.sum(1).cumsum(0).numpy()]).astype(np.int64)
    index = (torch.arange(steps)[:, None] * batch + order)[alive]
    return Rows(
        steps, batch, offsets, sorted_lengths, order, index, None if resets is None else resets[index].contiguous()
    )


class Compiled:
    """The loops of one plan in one number format."""

    def __init__(self, plan: Plan, dtype: torch.dtype) -> None:
        self.plan, self.dtype = plan, dtype
        self.element, self.width = _ELEMENTS[dtype], vector_bytes() // dtype.itemsize
        self._loops: dict[str, tuple[Loop, Entry]] = {}

    def loop(self, kind: str) -> tuple[Loop, Entry]:
        """The loop "train", "infer" or "backward", compiled on first use."""
        if kind not in self._loops:
            if kind == "backward":
                loop = self.plan.backward_loop(self.element, self.width)
            else:
                loop = self.plan.forward_loop(self.element, self.width, is_training=kind == "train")
            self._loops[kind] = loop, compile_text(loop.text, loop.symbol)
        return self._loops[kind]


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
    with torch.autocast(x.device.type, enabled=False):
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (flat, *start, *given)):
            y, *last = cast("tuple[Tensor, ...]", _Run.apply(compiled, rows, names, flat, *start, *given))
        else:
            y, last = _Forward(compiled, rows, flat.contiguous(), start, params, is_training=False).run()
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
        call = _Forward(compiled, rows, x.contiguous(), state, params, is_training=True)
        y, last = call.run()
        ctx.set_materialize_grads(False)
        ctx.call, ctx.names = call, names
        ctx.save_for_backward(y, x, *tensors)
        return (y, *last)

    @staticmethod
    def backward(ctx: Any, *derivatives: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        call = cast(_Forward, ctx.call)
        _, x, *tensors = cast("tuple[Tensor, ...]", ctx.saved_tensors)  # y, changed in place, is refused here
        count = len(call.compiled.plan.fields)
        state, params = tensors[:count], dict(zip(ctx.names, tensors[count:], strict=True))
        if torch.is_grad_enabled():
            return None, None, None, *_by_interpret(call, x, state, params, derivatives, ctx.needs_input_grad[3:])
        wanted = dict(zip(ctx.names, ctx.needs_input_grad[4 + count :], strict=True))
        with torch.autocast(x.device.type, enabled=False):
            d_x, d_state, d_params = _Backward(call, x, params, derivatives, ctx.needs_input_grad[3], wanted).run()
        if not torch._C._autograd._get_current_graph_task_keep_graph():  # pyright: ignore[reportPrivateUsage]
            ctx.call = None  # the tape can serve the next call while the caller still holds y
        return None, None, None, d_x, *d_state, *(d_params.get(name) for name in ctx.names)


class _Forward:
    """One forward call: its memory, and what the backward call reads of it."""

    def __init__(
        self,
        compiled: Compiled,
        rows: Rows,
        x: Tensor,
        state: Sequence[Tensor],
        params: Mapping[str, Tensor],
        *,
        is_training: bool,
    ) -> None:
        self.compiled, self.rows, self.is_training = compiled, rows, is_training
        self.plan = compiled.plan
        self.streams: dict[str, Tensor] = {}
        self.leases: list[Lease] = []
        self.shared: dict[str, Tensor] = dict(params)
        self._state = state
        self._hoist(x, params)

    def run(self) -> tuple[Tensor, list[Tensor]]:
        plan, rows = self.plan, self.rows
        loop, entry = self.compiled.loop("train" if self.is_training else "infer")
        y = torch.empty(rows.total, _elements(plan.loop, plan.output), dtype=self.compiled.dtype)
        if plan.loop[plan.output].op == "input":
            y.copy_(self.streams[plan.output])
        else:
            self.streams[plan.output] = y.detach()  # y itself will hold this call through its gradient
        carries = {
            field: _carry(start, rows, is_backward=False) for field, start in zip(plan.fields, self._state, strict=True)
        }
        for buffer in loop.buffers:
            if buffer.kind == "stream" and buffer.name not in self.streams:
                self.streams[buffer.name] = self._tape(buffer)
        execute(self.compiled, loop, entry, rows, self.streams, carries, self.shared)
        last = [_last(carries[field], rows, is_backward=False) for field in plan.fields]
        if not self.is_training:
            self.streams.clear()
            self.leases.clear()
        return y, last

    def _hoist(self, x: Tensor, params: Mapping[str, Tensor]) -> None:
        """Everything that needs no state, for all rows at once."""
        plan, linear = self.plan, self.plan.linear
        if linear.names:
            weight = torch.cat([params[name].detach() for name in linear.weights])
            self.joined = self._leased(x.shape[0], weight.shape[0])
            if any(linear.biases):
                zeros = [params[w].new_zeros(params[w].shape[0]) for w in linear.weights]
                given = [z if b is None else params[b].detach() for b, z in zip(linear.biases, zeros, strict=True)]
                torch.addmm(torch.cat(given), x.detach(), weight.t(), out=self.joined)
            else:
                torch.mm(x.detach(), weight.t(), out=self.joined)
            column = 0
            for name, w in zip(linear.names, linear.weights, strict=True):
                width = params[w].shape[0]
                self.streams[name] = self.joined[:, column : column + width]
                column += width
        self.rest_leaves: dict[str, Tensor] = {}
        self.rest_values: dict[str, Tensor] = {}
        if plan.rest.outputs:
            self._evaluate_rest(x, params)

    def _evaluate_rest(self, x: Tensor, params: Mapping[str, Tensor]) -> None:
        """The part of the prologue that is no joined product, by torch, whose own derivative is used."""
        graph = self.plan.rest
        values: dict[str, Tensor] = {}
        with torch.enable_grad():
            for node in graph.nodes:
                if node.op in ("param", "x"):
                    given = x if node.op == "x" else params[node.name]
                    leaf = given.detach().requires_grad_()
                    self.rest_leaves[node.name if node.op == "param" else "x"] = leaf
                    values[node.name] = leaf if node.op == "x" else leaf.unsqueeze(0)
                elif node.op == "constant":
                    values[node.name] = torch.full((1,), cast(float, node.settings["value"]), dtype=x.dtype)
                else:
                    values[node.name] = OPS[node.op].evaluate(
                        [values[a] for a in node.args], node.settings, graph.sizes
                    )
            for role, name in graph.outputs:
                self.rest_values[name] = values[name] if role.startswith("input.") else values[name].squeeze(0)
        for role, name in graph.outputs:
            value = self.rest_values[name].detach()
            if role.startswith("input."):
                self.streams[name] = value.reshape(x.shape[0], -1).contiguous()
            else:
                self.shared[name] = value

    def _tape(self, buffer: Buffer) -> Tensor:
        over = self.plan.in_place.get(buffer.name)
        if over is not None:
            return self.streams[over]
        return self._leased(self.rows.total, _axes_size(self.plan.loop, buffer.axes))

    def _leased(self, height: int, width: int) -> Tensor:
        taken = lease(height * width, self.compiled.dtype)
        self.leases.append(taken)
        return taken.tensor.view(height, width)


class _Backward:
    """One backward call."""

    def __init__(
        self,
        call: _Forward,
        x: Tensor,
        params: Mapping[str, Tensor],
        derivatives: Sequence[Tensor | None],
        wants_x: bool,
        wanted: Mapping[str, bool],
    ) -> None:
        self.call, self.x, self.params, self.plan, self.rows = call, x, params, call.plan, call.rows
        self.derivatives, self.wants_x, self.wanted = derivatives, wants_x, wanted
        self.leases: list[Lease] = []
        self.sums: dict[str, Tensor] = {}

    def run(self) -> tuple[Tensor | None, list[Tensor], dict[str, Tensor]]:
        compiled, plan, rows = self.call.compiled, self.plan, self.rows
        loop, entry = compiled.loop("backward")
        streams = dict(self.call.streams)
        self.d_streams = self._d_streams()
        streams |= self.d_streams
        carries = {field: self._carry(k, field) for k, field in enumerate(plan.fields)}
        execute(compiled, loop, entry, rows, streams, carries, self.call.shared)
        for column, name in self.copies:
            column.copy_(self.d_streams[name])
        d_state = [_last(carries[field], rows, is_backward=True) for field in plan.fields]
        self._weights(streams)
        self._vectors()
        d_x = self._linear()
        d_x = self._rest(d_x)
        return d_x, d_state, self.sums

    def _d_output(self) -> Tensor:
        given = self.derivatives[0]
        if given is None:
            return torch.zeros(
                self.rows.total, _elements(self.plan.loop, self.plan.output), dtype=self.call.compiled.dtype
            )
        return given.contiguous()

    def _carry(self, k: int, field: str) -> Tensor:
        given = self.derivatives[1 + k]
        if given is None:
            leaf = dict(zip(self.plan.fields, self.plan.graph.leaves("state"), strict=True))[field]
            given = torch.zeros(
                self.rows.batch, _axes_size(self.plan.graph, leaf.shape), dtype=self.call.compiled.dtype
            )
        return _carry(given, self.rows, is_backward=True)

    def _d_streams(self) -> dict[str, Tensor]:
        """Memory for what the backward loop writes: the derivatives of joined streams side by side."""
        outputs = dict(self.plan.derivatives)
        found = {OUTPUT: self._d_output()}
        self.copies: list[tuple[Tensor, str]] = []  # columns whose values the loop writes elsewhere
        widths = [self.params[w].shape[0] for w in self.plan.linear.weights]
        if widths:
            self.d_joined = self._leased(sum(widths))
            column = 0
            for name, width in zip(self.plan.linear.names, widths, strict=True):
                source, place = outputs[f"input.{name}"], self.d_joined[:, column : column + width]
                if found.setdefault(source, place) is not place:
                    self.copies.append((place, source))
                column += width
        for name in self.plan.backward_streams:
            if name not in found:
                found[name] = self._leased(_elements(self.plan.backward, name))
        return found

    def _leased(self, width: int) -> Tensor:
        taken = lease(self.rows.total * width, self.call.compiled.dtype)
        self.leases.append(taken)
        return taken.tensor.view(self.rows.total, width)

    def _collect(self, name: str, term: Tensor) -> None:
        self.sums[name] = self.sums[name] + term if name in self.sums else term

    def _weights(self, streams: Mapping[str, Tensor]) -> None:
        """Matrices of the loop: one product over all rows for all that met the same vector."""
        by_vector: dict[str, list[tuple[str, str]]] = {}
        for role, derivative in self.plan.derivatives:
            if role.startswith("weight."):
                _, matrix, vector = role.split(".", 2)
                if self._is_wanted(matrix):
                    by_vector.setdefault(vector, []).append((matrix, derivative))
        for vector, uses in by_vector.items():
            operand = streams[vector]
            for group in self._side_by_side(uses):
                joined = self._columns([derivative for _, derivative in group])
                product = joined.t() @ operand
                row = 0
                for matrix, derivative in group:
                    width = self.d_streams[derivative].shape[1]
                    self._collect(matrix, product[row : row + width])
                    row += width

    def _is_wanted(self, name: str) -> bool:
        return self.wanted.get(name, True)

    def _side_by_side(self, uses: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
        """Derivatives that lie in neighbouring columns, in order, so that one product serves them."""
        ordered = sorted(uses, key=lambda use: self.d_streams[use[1]].data_ptr())
        groups: list[list[tuple[str, str]]] = []
        for use in ordered:
            this = self.d_streams[use[1]]
            before = self.d_streams[groups[-1][-1][1]] if groups else None
            end = 0 if before is None else before.data_ptr() + before.shape[1] * before.itemsize
            if before is not None and end == this.data_ptr() and before.stride() == this.stride():
                groups[-1].append(use)
            else:
                groups.append([use])
        return groups

    def _columns(self, names: Sequence[str]) -> Tensor:
        first = self.d_streams[names[0]]
        width = sum(self.d_streams[name].shape[1] for name in names)
        return first.as_strided((first.shape[0], width), first.stride())

    def _vectors(self) -> None:
        """Parameters that enter the loop element by element: their terms, summed over all rows."""
        for role, name in self.plan.derivatives:
            if role.startswith("param."):
                param = role.removeprefix("param.")
                if self._is_wanted(param):
                    total = self.d_streams[name].sum(0).reshape(self.plan.backward.elements(name))
                    self._collect(param, total.sum_to_size(self.call.shared[param].shape))

    def _linear(self) -> Tensor | None:
        linear, column = self.plan.linear, 0
        if not linear.names:
            return None
        wants_weight = any(self.wanted[name] for name in linear.weights)
        d_weight = self.d_joined.t() @ self.x if wants_weight else None
        d_bias = self.d_joined.sum(0) if any(b is not None and self.wanted[b] for b in linear.biases) else None
        for weight, bias in zip(linear.weights, linear.biases, strict=True):
            width = self.params[weight].shape[0]
            if d_weight is not None and self.wanted[weight]:
                self._collect(weight, d_weight[column : column + width])
            if bias is not None and d_bias is not None and self.wanted[bias]:
                self._collect(bias, d_bias[column : column + width])
            column += width
        if not self.wants_x:
            return None
        return self.d_joined @ torch.cat([self.params[name] for name in linear.weights])

    def _rest(self, d_x: Tensor | None) -> Tensor | None:
        values, leaves = self.call.rest_values, self.call.rest_leaves
        if not values:
            return d_x
        outputs = dict(self.plan.derivatives)
        given: list[tuple[Tensor, Tensor]] = []
        for name, value in values.items():
            derivative = self.sums.pop(name, None)
            if f"input.{name}" in outputs:
                derivative = self.d_streams[outputs[f"input.{name}"]]
            if derivative is not None and value.requires_grad:
                given.append((value, derivative.reshape(value.shape)))
        if not given:
            return d_x
        terms = cast(
            "tuple[Tensor | None, ...]",
            torch.autograd.grad(
                [v for v, _ in given],
                list(leaves.values()),
                [d for _, d in given],
                retain_graph=True,
                allow_unused=True,
            ),
        )
        for name, term in zip(leaves, terms, strict=True):
            if term is None:
                continue
            if name == "x":  # a term may be leased memory itself, when x enters the loop as it is
                d_x = term.clone() if d_x is None else d_x + term
            else:
                self._collect(name, term)
        return d_x


def execute(
    compiled: Compiled,
    loop: Loop,
    entry: Entry,
    rows: Rows,
    streams: Mapping[str, Tensor],
    carries: Mapping[str, Tensor],
    shared: Mapping[str, Tensor],
) -> None:
    """Call a compiled loop on all rows, over as many threads as pay."""
    graph = compiled.plan.loop
    held: list[Tensor] = []  # what only this call owns must outlive it
    for buffer in loop.buffers:
        if buffer.kind == "stream":
            tensor = streams[buffer.name]
        elif buffer.kind == "carry":
            tensor = carries[buffer.name]
        elif buffer.kind == "vector":
            tensor = shared[buffer.name].detach().contiguous()
        elif buffer.kind == "packed":
            tensor = pack(buffer, shared, compiled.width)
        else:
            tensor = torch.empty(rows.batch * _axes_size(graph, buffer.axes), dtype=compiled.dtype)
        held.append(tensor)
    pointers = np.array([tensor.data_ptr() for tensor in held], dtype=np.int64)
    strides = np.array([tensor.stride(0) if tensor.dim() else 0 for tensor in held], dtype=np.int64)
    sizes = np.array([axis_size(axis, graph.sizes) for axis in loop.axes], dtype=np.int64)
    arrays = [a.ctypes.data for a in (pointers, strides, sizes, rows.offsets)]
    resets = 0 if rows.resets is None else rows.resets.data_ptr()
    call_in_shares(entry, arrays, rows.steps, rows.batch, resets, rows.shares(_threads(compiled.plan, rows)))


def pack(buffer: Buffer, params: Mapping[str, Tensor], width: int) -> Tensor:
    """Matrices in the order in which a register tile reads them: unit vector, element of the operand, matrix, lane."""
    matrices = [params[name].detach() for name, _ in buffer.packing]
    turned = [
        matrix if is_turned else matrix.t() for matrix, (_, is_turned) in zip(matrices, buffer.packing, strict=True)
    ]
    length, units = turned[0].shape
    vectors = -(-units // width)
    packed = torch.zeros(vectors, length, len(turned), width, dtype=turned[0].dtype)
    whole = units // width
    for k, matrix in enumerate(turned):
        packed[:whole, :, k] = matrix[:, : whole * width].reshape(length, whole, width).permute(1, 0, 2)
        if whole < vectors:
            packed[whole, :, k, : units - whole * width] = matrix[:, whole * width :]
    return packed


def _carry(start: Tensor, rows: Rows, *, is_backward: bool) -> Tensor:
    """Two halves of state rows; the one that the first step of each sequence reads holds `start`."""
    carry = torch.empty(2, rows.batch, start.shape[1], dtype=start.dtype)
    if not is_backward:
        carry[0] = start
    elif rows.lengths is None:
        carry[rows.steps % 2] = start
    else:
        carry[rows.lengths % 2, torch.arange(rows.batch)] = start
    return carry


def _last(carry: Tensor, rows: Rows, *, is_backward: bool) -> Tensor:
    """The state rows after the last step of each sequence."""
    if is_backward:
        return carry[0]
    if rows.lengths is None:
        return carry[rows.steps % 2]
    return carry[rows.lengths % 2, torch.arange(rows.batch)]


def _threads(plan: Plan, rows: Rows) -> int:
    products = [node for node in plan.loop.nodes if node.op == "products"]
    work = sum(_axes_size(plan.loop, plan.loop[m].shape) for node in products for m in node.args[::2]) + 30 * sum(
        _axes_size(plan.loop, node.shape) for node in plan.loop.computed
    )
    worth = int(work * rows.total // _WORTH_A_THREAD)
    return max(1, min(torch.get_num_threads(), rows.batch, worth))


def _elements(graph: Graph, name: str) -> int:
    return _axes_size(graph, graph[name].shape)


def _axes_size(graph: Graph, axes: Sequence[str]) -> int:
    return axis_size("*".join(("1", *axes)), graph.sizes)


def _by_interpret(
    call: _Forward,
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
