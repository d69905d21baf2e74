"""The Lie-group network: zero is the identity, an opposite undoes, order matters, and the state is a rotation."""

from typing import cast

import pytest
import torch
from cells.conformance import Problem, problem
from torch import Tensor

from carrousel import CELLS
from carrousel.cells.lie_group import exponential_less_identity

IDENTITY = torch.eye(6, dtype=torch.float64)


def product(given: Problem, x: Tensor) -> Tensor:
    """The group element (B, H, H) after the inputs x (T, B, D)."""
    _, last = given.layer(x)
    return last.Z[0].detach() + IDENTITY


@pytest.mark.tiny
def test_parameters_are_those_of_an_embedding_and_its_generators() -> None:
    """V d + d m² with V = 11 inputs, d = 5 generators, m = 4 rows."""
    cell = CELLS["lie_group"]
    sizes = cell.sizes(11, 4, num_generators=5)
    assert cell.num_parameters(sizes) == 11 * 5 + 5 * 16
    assert sizes["O"] == 16


def test_an_input_of_zeros_changes_nothing() -> None:
    given = problem("lie_group")
    y, last = given.layer(torch.zeros_like(given.x), given.layer.cell.State(*given.state))
    assert torch.equal(last.Z, given.state[0])
    assert torch.equal(y, given.state[0].flatten(2).expand(5, 3, 36))


def test_the_opposite_of_an_input_undoes_it() -> None:
    given = problem("lie_group")
    there_and_back = torch.cat([given.x, -given.x.flip(0)])
    torch.testing.assert_close(product(given, there_and_back), IDENTITY.expand(3, 6, 6), rtol=0, atol=1e-12)


def test_the_order_of_inputs_matters_but_not_along_one_direction() -> None:
    given = problem("lie_group", steps=2)
    assert not torch.allclose(product(given, given.x), product(given, given.x.flip(0)), atol=0.1)
    along = torch.stack([given.x[0], 0.3 * given.x[0]])
    torch.testing.assert_close(product(given, along), product(given, along.flip(0)), rtol=0, atol=1e-12)
    torch.testing.assert_close(product(given, along), product(given, 1.3 * given.x[:1]), rtol=0, atol=1e-12)


def test_the_state_stays_a_rotation_over_a_thousand_steps() -> None:
    given = problem("lie_group", steps=1000)
    rotation = product(given, given.x)
    torch.testing.assert_close(rotation @ rotation.mT, IDENTITY.expand(3, 6, 6), rtol=0, atol=1e-10)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-10)


@pytest.mark.parametrize("norm", [1e-8, 1.0, 10.0, 30.0])
def test_the_series_is_the_exponential_of_a_matrix(norm: float) -> None:
    drawn = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    skew = drawn - drawn.T
    skew = norm / float(skew.square().sum().sqrt()) * skew
    expected = cast(Tensor, torch.linalg.matrix_exp(skew)) - IDENTITY  # pyright: ignore[reportUnknownMemberType]
    torch.testing.assert_close(exponential_less_identity(skew), expected, rtol=0, atol=1e-12)
