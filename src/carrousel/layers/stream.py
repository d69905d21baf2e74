"""A layer run one time step a call, for control loops and live signals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from carrousel.engine import Program
from carrousel.engine.stream import open_steps
from carrousel.errors import ConfigError, ShapeError

_empty_like = torch.empty_like

Params = Callable[[], Sequence[Mapping[str, Tensor]]]
"""The weights of every layer as they are now."""


class Stream:
    """A layer that remembers its state between calls; made by `layer.stream()`.

    It holds a copy of the weights: `refresh()` takes over those that the layer has now. No gradient flows through it, there is
    no dropout in it, and it serves one thread at a time. What `step` and `push` return is new memory, never written again.

    Args:
        programs: one a layer.
        params: of every layer.
        batch_size: B.
        as_state: state fields (layers, B, ...) -> the form in which the layer returns them.
        batch_first: chunks are (B, T, D).

    >>> from carrousel import Recurrent
    >>> layer = Recurrent("lstm", input_size=3, hidden_size=5)
    >>> stream = layer.stream()
    >>> y_t = stream.step(torch.zeros(1, 3))
    >>> y = stream.push(torch.zeros(7, 1, 3))
    >>> tuple(y_t.shape), tuple(y.shape), tuple(stream.state().c.shape)
    ((1, 5), (7, 1, 5), (1, 1, 5))
    """

    def __init__(
        self,
        programs: Sequence[Program],
        params: Params,
        batch_size: int,
        as_state: Callable[[list[Tensor]], Any],
        batch_first: bool,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"stream: batch_size is {batch_size}, expected at least 1. Use batch_size=1 or more.")
        self._params, self._as_state, self._batch_first = params, as_state, batch_first
        weights = params()
        like = next(iter(weights[0].values())).detach()
        self._steps = open_steps(programs, weights, batch_size, like)
        self._entry, self._address = self._steps.entry, self._steps.address
        self._dtype, self._device, self._is_cpu = like.dtype, like.device, like.is_cpu
        (x,) = (node.name for node in programs[0].graph.leaves("x"))
        self._shape = torch.Size((batch_size, *programs[0].graph.elements(x)))
        graph = programs[-1].graph
        self._y = like.new_empty((batch_size, *graph.elements(dict(graph.outputs)["output"])))

    def step(self, x_t: Tensor) -> Tensor:
        """Take one time step.

        Args:
            x_t: (B, D).

        Returns:
            y_t (B, O), in memory of its own.

        Raises:
            ShapeError: another shape, number format or device, or a value that is NaN or infinite; no step is taken then.
        """
        if x_t.shape != self._shape or x_t.dtype is not self._dtype or x_t.is_cpu is not self._is_cpu:
            self._refuse("x_t", x_t, "(B, D)", self._shape)
        y_t = _empty_like(self._y)
        if self._entry is None or not x_t.is_contiguous():
            is_taken = self._steps.run(x_t.contiguous(), y_t, 1)
        else:
            is_taken = self._entry(self._address, x_t.data_ptr(), y_t.data_ptr(), 1)
        if not is_taken:
            self._refuse_values("x_t", x_t)
        return y_t

    def push(self, chunk: Tensor) -> Tensor:
        """Take as many time steps as the chunk has; the outputs are those of as many calls of `step`.

        Args:
            chunk: (T, B, D), or (B, T, D) with the layer's batch_first; T may be 0.

        Returns:
            The outputs, laid out as the chunk.

        Raises:
            ShapeError: as `step`.
        """
        batch, size = self._shape
        steps: Any = chunk.shape[self._batch_first] if chunk.dim() == 3 else "T"
        axes, expected = (
            ("(B, T, D)", (batch, steps, size)) if self._batch_first else ("(T, B, D)", (steps, batch, size))
        )
        if chunk.shape != expected or chunk.dtype is not self._dtype or chunk.device != self._device:
            self._refuse("chunk", chunk, axes, expected)
        x = chunk.transpose(0, 1) if self._batch_first else chunk
        y = self._y.new_empty((steps, *self._y.shape))
        if steps and not self._steps.run(x.contiguous(), y, steps):
            self._refuse_values("chunk", chunk)
        return y.transpose(0, 1) if self._batch_first else y

    def state(self) -> Any:
        """A copy of the state after the last step, in the form in which the layer returns it: every field (layers, B, ...)."""
        return self._as_state([torch.stack(field) for field in zip(*self._steps.state(), strict=True)])

    def load(self, state: Sequence[Tensor]) -> None:
        """Go on from a state: one tensor (layers, B, ...) a field."""
        for number, layer in enumerate(self._steps.state()):
            for field, given in zip(layer, state, strict=True):
                field.copy_(given[number].detach())

    def reset(self, rows: Any = None) -> None:
        """Begin new sequences: the state of these rows of the batch becomes zero.

        Args:
            rows: row numbers, or one truth value a row; all rows when left out.

        Raises:
            ShapeError: rows that the batch does not have.
        """
        chosen = slice(None) if rows is None else self._checked(rows)
        for layer in self._steps.state():
            for field in layer:
                field[chosen] = 0

    def refresh(self) -> None:
        """Take over the weights that the layer has now; the state stays."""
        self._steps.refresh(self._params())

    def _checked(self, rows: Any) -> Tensor:
        batch, chosen = self._shape[0], torch.as_tensor(rows, device=self._device)
        if chosen.dtype == torch.bool:
            is_valid = chosen.shape == (batch,)
        else:
            chosen = chosen.reshape(-1) if chosen.numel() else chosen.reshape(-1).long()
            is_valid = not chosen.is_floating_point() and bool(((chosen >= 0) & (chosen < batch)).all())
        if not is_valid:
            raise ShapeError(
                f"stream: reset rows are {rows!r}, expected row numbers from 0 to {batch - 1}, or {batch} truth values. "
                "Leave them out to reset all."
            )
        return chosen

    def _refuse(self, name: str, x: Tensor, axes: str, expected: Sequence[object]) -> None:
        wanted = f"({', '.join(str(size) for size in expected)})"
        raise ShapeError(
            f"stream: {name} is {x.dtype} of shape {tuple(x.shape)} on {x.device}, expected {self._dtype} {axes} = {wanted} on "
            f"{self._device}. Convert it, or make the stream for your batch: layer.stream(batch_size=...)."
        )

    def _refuse_values(self, name: str, x: Tensor) -> None:
        wrong = (~torch.isfinite(x)).nonzero()
        place = tuple(int(number) for number in wrong[0])
        raise ShapeError(
            f"stream: {name} has {len(wrong)} values that are NaN or infinite, the first {x[place].item()} at {place}, "
            "expected finite numbers. Clean the signal; no step was taken."
        )


def refuse_two_directions(where: str, bidirectional: bool) -> None:
    """Raise ConfigError for a layer that reads its input backwards as well."""
    if bidirectional:
        raise ConfigError(
            f"{where}: stream() of a bidirectional layer, expected one direction: the other one reads the end of a sequence "
            "first. Use bidirectional=False, or run whole sequences."
        )
