"""Cells run with parameters given by name, to hold one cell against another where their equations meet."""

from collections.abc import Mapping
from typing import Any

import torch
from cells.conformance import Problem
from torch import Tensor

from carrousel import Recurrent

Values = dict[str, Tensor]


def parameters(given: Problem) -> Values:
    """A copy of every parameter and constant of a one-layer problem, by its name in the cell."""
    return {name: getattr(given.layer, f"{name}_l0").detach().clone() for name in given.layer.cell.param_axes}


def state(given: Problem) -> Values:
    """The problem's initial state, by field."""
    return dict(zip(given.layer.cell.state_axes, given.state, strict=True))


def shut(bias: Tensor) -> Tensor:
    """A bias that makes a gate 0 to the last bit of anything it multiplies, whatever else the gate reads."""
    return torch.full_like(bias, -200.0)


def opened(bias: Tensor) -> Tensor:
    """A bias that makes a gate exactly 1 in double precision."""
    return torch.full_like(bias, 200.0)


def zeros(values: Values, *names: str) -> Values:
    """The named values replaced by zeros."""
    return {name: torch.zeros_like(values[name]) for name in names}


def run(
    cell: str, values: Mapping[str, Tensor], x: Tensor, start: Mapping[str, Tensor], hidden_size: int = 6, **sizes: Any
) -> tuple[Tensor, Values]:
    """Outputs and last state of one layer with those parameters; more than the cell has may be given."""
    layer = Recurrent(cell, x.shape[-1], hidden_size, dtype=x.dtype, **sizes)
    with torch.no_grad():
        for name in layer.cell.param_axes:
            getattr(layer, f"{name}_l0").copy_(values[name])
        y, last = layer(x, layer.cell.State(**{field: start[field] for field in layer.cell.state_axes}))
    return y, last._asdict()


def assert_same_run(found: tuple[Tensor, Values], expected: tuple[Tensor, Values], tolerance: float = 1e-14) -> None:
    """Outputs agree, and so do the state fields that both have."""
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=tolerance)
    for field in found[1].keys() & expected[1].keys():
        torch.testing.assert_close(found[1][field], expected[1][field], rtol=0, atol=tolerance)
