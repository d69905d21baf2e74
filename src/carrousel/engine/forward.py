"""The forward call: what needs no state in one product, the loop, and what both leave for the backward call."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from carrousel.engine.compiled import FUSED, Compiled
from carrousel.engine.memory import Lease, lease
from carrousel.engine.ops import OPS
from carrousel.engine.passes.fuse_inputs import X
from carrousel.engine.rows import Rows, carry, last_rows


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
        self._state = state
        self.is_fused = compiled.is_fused(rows)
        self._hoist(x, params)

    def run(self) -> tuple[Tensor, list[Tensor]]:
        plan, rows = self.plan, self.rows
        kind = ("train" if self.is_training else "infer") + FUSED * self.is_fused
        ready = self.compiled.loop(kind)
        y = torch.empty(rows.total, self.compiled.output_size, dtype=self.compiled.dtype)
        if plan.loop[plan.output].op == "input":
            y.copy_(self.streams[plan.output])
        else:
            self.streams[plan.output] = y.detach()  # y itself will hold this call through its gradient
        carries = {
            field: carry(start, rows, is_backward=False) for field, start in zip(plan.fields, self._state, strict=True)
        }
        for buffer, size in zip(ready.loop.buffers, ready.row_sizes, strict=True):
            if buffer.kind == "stream" and buffer.name not in self.streams:
                self.streams[buffer.name] = self._tape(buffer.name, size)
        self.compiled.execute(kind, rows, self.streams, carries, self.shared)
        last = [last_rows(carries[field], rows, is_backward=False) for field in plan.fields]
        if not self.is_training:
            self.streams.clear()
            self.leases.clear()
        return y, last

    def _hoist(self, x: Tensor, params: Mapping[str, Tensor]) -> None:
        """Everything that needs no state, for all rows at once."""
        plan, linear = self.plan, self.plan.linear
        self.rest_leaves: dict[str, Tensor] = {}
        self.rest_values: dict[str, Tensor] = {}
        if plan.rest.outputs:
            self._evaluate_rest(x, params)
        if linear.names:
            x_t = x.detach()[:, : self.weights[0].shape[1]]  # random numbers of the step are further columns
            if self.is_fused:
                self.streams[X] = x_t
                if not self.is_training:
                    return
            joined = self._leased(x.shape[0], sum(weight.shape[0] for weight in self.weights))
            if not self.is_fused:
                weight = self.weights[0] if len(self.weights) == 1 else torch.cat(self.weights)
                torch.mm(x_t, weight.t(), out=joined)
            column = 0
            for name, matrix in zip(linear.names, self.weights, strict=True):
                self.streams[name] = joined[:, column : column + matrix.shape[0]]
                column += matrix.shape[0]

    @property
    def weights(self) -> list[Tensor]:
        """The matrices of the joined product."""
        return [self.shared[name].detach() for name in self.plan.linear.weights]

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
