"""What every cell must satisfy, as functions that raise; the tests of the tests call them on wrong cells."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from reference.arrays import Array, Arrays
from reference.run import Step, gradients, run
from torch import Tensor

from carrousel import Cell, Recurrent
from carrousel.cell import axes_shape
from carrousel.cells import find
from carrousel.layers.draw import Draw

TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-4}
"""Same mathematics, other order of additions; float32 over the few steps of these problems."""


@dataclass(frozen=True)
class Problem:
    """A layer with drawn parameters, inputs and a state that is not zero, and weights of everything that comes out."""

    layer: Recurrent
    x: Tensor
    state: tuple[Tensor, ...]
    w_y: Tensor
    w_state: tuple[Tensor, ...]

    def draw(self, rows: list[int] | None = None, first_step: int = 0) -> Draw | None:
        """The random numbers of those rows from that step on, the same in every call; None for a cell that draws none."""
        return Draw(seed=7, rows=rows, first_step=first_step) if self.layer.cell.noise_axes else None

    def loss(self, y: Tensor, state: tuple[Tensor, ...]) -> Tensor:
        """One number in which every output and every state element counts."""
        return (self.w_y * y).sum() + sum((w * s).sum() for w, s in zip(self.w_state, state, strict=True))


def problem(
    cell: Cell | str,
    *,
    steps: int = 5,
    batch: int = 3,
    input_size: int = 3,
    hidden_size: int = 6,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    **settings: Any,
) -> Problem:
    """A problem of the given size."""
    torch.manual_seed(seed)
    definition = find(cell) if isinstance(cell, str) else cell
    if "H" in definition.derived:
        input_size = hidden_size  # the step adds x_t itself to its units
    if "X" in definition.derived:
        input_size = max(2, input_size)  # a word and its topic
    layer = Recurrent(definition, input_size, hidden_size, dtype=dtype, **settings)
    with torch.no_grad():
        for tensor in [*layer.parameters(), *layer.buffers()]:
            tensor.copy_(0.6 * torch.randn(tensor.shape))
    places = layer.num_layers * layer.directions
    shapes = [(places, batch, *shape) for shape in layer.cell.state_shapes(layer.layer_sizes[0]).values()]
    x = torch.randn(steps, batch, input_size, dtype=dtype)
    return Problem(
        layer,
        x,
        tuple(torch.randn(shape, dtype=dtype) for shape in shapes),
        torch.randn(steps, batch, layer.output_size, dtype=dtype),
        tuple(torch.randn(shape, dtype=dtype) for shape in shapes),
    )


def results(given: Problem, **arguments: Any) -> dict[str, Tensor]:
    """Outputs, last state and all derivatives of the loss, by name."""
    x = given.x.clone().requires_grad_()
    start = tuple(s.clone().requires_grad_() for s in given.state)
    y, last = given.layer(x, given.layer.cell.State(*start), **({"draw": given.draw()} | arguments))
    params = dict(given.layer.named_parameters())
    named = [f"d_{name}" for name in ("x", *(f"state.{f}" for f in given.layer.cell.state_axes), *params)]
    found = derivatives_of(given.loss(y, last), [x, *start, *params.values()])
    derivatives = dict(zip(named, found, strict=True))
    fields = given.layer.cell.state_axes
    return {"y": y, **{f"state.{f}": s for f, s in zip(fields, last, strict=True)}, **derivatives}


def derivatives_of(loss: Tensor, values: Sequence[Tensor]) -> list[Tensor]:
    """The derivative of the loss by each value, zero where it does not depend on it."""
    found = cast("tuple[Tensor | None, ...]", torch.autograd.grad(loss, values, allow_unused=True))
    return [torch.zeros_like(v) if d is None else d for d, v in zip(found, values, strict=True)]


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], tolerance: float) -> None:
    """Every value agrees, by name."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=tolerance, atol=tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def reference_results(given: Problem, step: Step) -> dict[str, Tensor]:
    """The same as `results` for a one-layer problem, from a NumPy transcription and complex-step derivatives."""
    layer, cell = given.layer, given.layer.cell
    p = {name: getattr(layer, f"{name}_l0").detach().numpy().astype(np.float64) for name in cell.param_axes}
    fields = list(cell.state_axes)
    us = noise(given)
    rows: list[dict[str, Any]] = []
    for b in range(given.x.shape[1]):
        xs = given.x[:, b].numpy().astype(np.float64)
        start = {f: s[0, b].numpy().astype(np.float64) for f, s in zip(fields, given.state, strict=True)}
        ys, last = run(step, p, xs, start, us[b])
        w_s: Arrays = {f: w[0, b].numpy() for f, w in zip(fields, given.w_state, strict=True)}
        slopes = gradients(step, p, xs, start, given.w_y[:, b].numpy(), w_s, us[b])
        rows.append({"y": ys, "last": last, "slopes": slopes})
    trained = [name for name in cell.param_axes if not cell.init[name].is_fixed]
    return {
        "y": _stacked([row["y"] for row in rows], axis=1),
        **{f"state.{f}": _stacked([row["last"][f] for row in rows])[None] for f in fields},
        "d_x": _stacked([row["slopes"]["x"] for row in rows], axis=1),
        **{f"d_state.{f}": _stacked([row["slopes"][f"s.{f}"] for row in rows])[None] for f in fields},
        **{f"d_{n}_l0": _stacked([row["slopes"][f"p.{n}"] for row in rows]).sum(0) for n in trained},
    }


def noise(given: Problem) -> list[Array | None]:
    """For each row, the uniform numbers (T, ...) that the first layer's cell draws; None for a cell that draws none."""
    draw, cell = given.draw(), given.layer.cell
    steps, batch = given.x.shape[:2]
    if draw is None:
        return [None] * batch
    ((name, axes),) = cell.noise_axes.items()
    shape = axes_shape(axes, given.layer.layer_sizes[0])
    drawn = draw.per_step(f"0.0.{name}", steps, batch, math.prod(shape), given.x)
    return list(drawn.double().reshape(steps, batch, *shape).transpose(0, 1).numpy())


def _stacked(arrays: list[Any], axis: int = 0) -> Tensor:
    return torch.from_numpy(np.stack(arrays, axis))


def assert_equals_reference(given: Problem, step: Step, dtype: torch.dtype = torch.float64) -> None:
    """Outputs, last state and all derivatives agree with the transcription of the paper."""
    found = {name: value.double() for name, value in results(given).items()}
    assert_same(found, reference_results(given, step), TOLERANCE[dtype])
