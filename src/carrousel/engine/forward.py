"""The forward call: what needs no state in one product, the loop, and what both leave for the backward call."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from carrousel.engine.compiled import Compiled, LoopCall
from carrousel.engine.memory import Lease, lease
from carrousel.engine.ops import OPS
from carrousel.engine.passes.fuse_inputs import X
from carrousel.engine.plan import Kind
from carrousel.engine.rows import Rows, carry, last_rows

_KINDS: dict[tuple[bool, bool], Kind] = {
    (True, False): "train",
    (False, False): "infer",
    (True, True): "train+x",
    (False, True): "infer+x",
}
"""Whether a tape is wanted, and whether the products on x_t are made in the loop -> the loop."""


class Forward:
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
        self.weights: list[Tensor] = []  # the matrices of the joined product
        self._state = state
        self.is_fused = compiled.is_fused(rows)
        self._hoist(x, params)

    def loop(self) -> LoopCall:
        """The loop to be run, with its memory."""
        plan, rows = self.plan, self.rows
        kind = _KINDS[self.is_training, self.is_fused]
        y = torch.empty(rows.total, self.compiled.output_size, dtype=self.compiled.dtype)
        if plan.graph_of(kind)[plan.output].op == "input":
            y.copy_(self.streams[plan.output])
        else:
            self.streams[plan.output] = y.detach()  # y itself will hold this call through its gradient
        self._y = [y]
        carries = {
            field: carry(start, rows, is_backward=False) for field, start in zip(plan.fields, self._state, strict=True)
        }
        for name, size in self.compiled.written(kind):
            if name not in self.streams:
                self.streams[name] = self._tape(name, size)
        return LoopCall(self.compiled, kind, rows, self.streams, carries, self.shared)

    def results(self, call: LoopCall) -> tuple[Tensor, list[Tensor]]:
        """Outputs and the last state, once the loop has run."""
        last = [last_rows(call.carries[field], self.rows, is_backward=False) for field in self.plan.fields]
        if not self.is_training:
            self.streams.clear()
            self.leases.clear()
        return self._y.pop(), last

    def _hoist(self, x: Tensor, params: Mapping[str, Tensor]) -> None:
        """Everything that needs no state, for all rows at once."""
        plan, linear = self.plan, self.plan.linear
        self.rest_leaves: dict[str, Tensor] = {}
        self.rest_values: dict[str, Tensor] = {}
        if plan.rest.outputs:
            self._evaluate_rest(x, params)
        if linear.names:
            self.weights = [self.shared[name].detach() for name in linear.weights]
            heights = [matrix.shape[0] for matrix in self.weights]
            x_t, columns = x.detach(), self.weights[0].shape[1]
            if x_t.shape[1] != columns:  # random numbers of the step are further columns
                x_t = x_t[:, :columns]
            if self.is_fused:
                self.streams[X] = x_t
                if not self.is_training:
                    return
            joined = self._leased(x.shape[0], sum(heights))
            if not self.is_fused:
                torch.mm(x_t, one_below_another(self.weights).t(), out=joined)
            self.streams |= dict(zip(linear.names, torch.split(joined, heights, dim=1), strict=True))

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

    def _tape(self, name: str, size: int) -> Tensor:
        over = self.plan.in_place.get(name)
        return self._leased(self.rows.total, size) if over is None else self.streams[over]

    def _leased(self, height: int, width: int) -> Tensor:
        taken = lease(height * width, self.compiled.dtype)
        self.leases.append(taken)
        return taken.tensor.view(height, width)


def one_below_another(matrices: Sequence[Tensor]) -> Tensor:
    """Matrices joined along their rows; where they lie like that in memory already, as it is."""
    first, end = matrices[0], matrices[0].data_ptr()
    for matrix in matrices:
        is_next = matrix.data_ptr() == end and matrix.is_contiguous()
        if not is_next or matrix.untyped_storage().data_ptr() != first.untyped_storage().data_ptr():
            return torch.cat(list(matrices))
        end += matrix.numel() * matrix.itemsize
    rows = sum(matrix.shape[0] for matrix in matrices)
    return first.as_strided((rows, first.shape[1]), (first.shape[1], 1))
