"""The backward call: the loop that runs against time, and the products over all steps that follow it."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from carrousel.engine.compiled import LoopCall, elements
from carrousel.engine.derivatives import met
from carrousel.engine.forward import Forward, one_below_another
from carrousel.engine.lower.outer import outer_sum
from carrousel.engine.memory import Lease, lease
from carrousel.engine.passes.differentiate import OUTPUT
from carrousel.engine.passes.fuse_inputs import D_X
from carrousel.engine.rows import carry, last_rows


class Backward:
    """One backward call."""

    def __init__(
        self,
        call: Forward,
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
        self.is_fused = call.is_fused and wants_x and call.plan.backward_to_x is not None

    def loop(self) -> LoopCall:
        """The loop to be run, with its memory."""
        streams = dict(self.call.streams)
        self.d_streams = self._d_streams()
        streams |= self.d_streams
        if self.is_fused:
            streams[D_X] = self.d_x = self.x.new_empty(self.rows.total, self.call.weights[0].shape[1])
        kind = "backward+x" if self.is_fused else "backward"
        carries = {field: self._carry(k, field) for k, field in enumerate(self.plan.fields)}
        return LoopCall(self.call.compiled, kind, self.rows, streams, carries, self.call.shared)

    def results(self, call: LoopCall) -> tuple[Tensor | None, list[Tensor], dict[str, Tensor]]:
        """The derivatives of x, of the state and of the parameters, once the loop has run."""
        for column, name in self.copies:
            column.copy_(self.d_streams[name])
        d_state = [last_rows(call.carries[field], self.rows, is_backward=True) for field in self.plan.fields]
        self._weights(call.streams)
        self._vectors()
        d_x = self._linear()
        d_x = self._rest(d_x)
        return d_x, d_state, self.sums

    def _d_output(self) -> Tensor:
        given = self.derivatives[0]
        if given is None:
            return torch.zeros(self.rows.total, self.call.compiled.output_size, dtype=self.call.compiled.dtype)
        return given.contiguous()

    def _carry(self, k: int, field: str) -> Tensor:
        given = self.derivatives[1 + k]
        if given is None:
            leaf = dict(zip(self.plan.fields, self.plan.graph.leaves("state"), strict=True))[field]
            given = torch.zeros(self.rows.batch, elements(self.plan.graph, leaf.name), dtype=self.call.compiled.dtype)
        return carry(given, self.rows, is_backward=True)

    def _d_streams(self) -> dict[str, Tensor]:
        """Memory for what the backward loop writes: the derivatives of joined streams side by side."""
        outputs = dict(self.plan.derivatives)
        found = {OUTPUT: self._d_output()}
        self.copies: list[tuple[Tensor, str]] = []  # columns whose values the loop writes elsewhere
        widths = [weight.shape[0] for weight in self.call.weights]
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
                found[name] = self._leased(elements(self.plan.backward, name))
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
                matrix, vector = met(role)
                if self._is_wanted(matrix):
                    by_vector.setdefault(vector, []).append((matrix, derivative))
        for vector, uses in by_vector.items():
            operand = streams[vector]
            for matrix, derivative in [use for use in uses if len(self.plan.loop[use[0]].shape) == 3]:
                self._collect(matrix, self._by_head(matrix, self.d_streams[derivative], operand))
            uses = [use for use in uses if len(self.plan.loop[use[0]].shape) == 2]
            for group in self._side_by_side(uses):
                joined = self._columns([derivative for _, derivative in group])
                product = outer_sum(joined, operand)
                row = 0
                for matrix, derivative in group:
                    width = self.d_streams[derivative].shape[1]
                    self._collect(matrix, product[row : row + width])
                    row += width

    def _by_head(self, matrix: str, derivative: Tensor, operand: Tensor) -> Tensor:
        """The derivative of one matrix a head."""
        heads, rows, columns = self.plan.loop.elements(matrix)
        left = derivative.reshape(-1, heads, rows).permute(1, 2, 0)
        return torch.bmm(left, operand.reshape(-1, heads, columns).transpose(0, 1))

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
        wanted = [term for term in self.plan.param_terms if self._is_wanted(term[0])]
        sums: dict[str, Tensor] = {}
        for group in self._side_by_side(list(dict.fromkeys(("", name) for _, name, _ in wanted))):
            names = [name for _, name in group]
            widths = [self.d_streams[name].shape[1] for name in names]
            parts = torch.split(self._columns(names).sum(0), widths)
            sums |= dict(zip(names, parts, strict=True))
        for param, name, shape in wanted:
            term, wanted_shape = sums[name].reshape(shape), self.call.shared[param].shape
            self._collect(param, term if term.shape == wanted_shape else term.sum_to_size(wanted_shape))

    def _linear(self) -> Tensor | None:
        linear, weights, column = self.plan.linear, self.call.weights, 0
        if not linear.names:
            return None
        input_size = weights[0].shape[1]
        if any(self._is_wanted(name) for name in linear.weights):
            x = self.x if self.x.shape[1] == input_size else self.x[:, :input_size]
            d_weight = outer_sum(self.d_joined, x)
            for name, weight in zip(linear.weights, weights, strict=True):
                if self._is_wanted(name):
                    self._collect(name, d_weight[column : column + weight.shape[0]])
                column += weight.shape[0]
        if not self.wants_x:
            return None
        d_x = self.d_x if self.is_fused else self.d_joined @ one_below_another(weights)
        more = self.x.shape[1] - input_size
        return torch.nn.functional.pad(d_x, (0, more)) if more else d_x

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
        with (
            torch.enable_grad()
        ):  # a total, because derivatives handed to autograd make torch import its symbolic algebra
            total = torch.stack([(value * derivative).sum() for value, derivative in given]).sum()
        found = torch.autograd.grad(total, list(leaves.values()), retain_graph=True, allow_unused=True)
        terms = cast("tuple[Tensor | None, ...]", found)
        for name, term in zip(leaves, terms, strict=True):
            if term is None:
                continue
            if name == "x":
                d_x = term if d_x is None else d_x + term
            else:
                self._collect(name, term)
        return d_x
