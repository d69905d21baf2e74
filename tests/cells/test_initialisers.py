"""How parameters start: ranges and moments of each initialiser, what it prints, and that a seed repeats it."""

import math

import pytest
import torch
from torch import Tensor

from carrousel.cell import (
    Initialiser,
    evenly_spaced,
    glorot_uniform,
    normal,
    normal_by,
    uniform_between,
    uniform_by,
    unit_rows,
)

pytestmark = pytest.mark.tiny

SIZES = {"D": 50, "H": 400}


def filled(initialiser: Initialiser, seed: int = 0) -> Tensor:
    """A matrix of H rows and D columns."""
    tensor = torch.empty(SIZES["H"], SIZES["D"], dtype=torch.float64)
    initialiser.fill(tensor, SIZES, torch.Generator().manual_seed(seed))
    return tensor


@pytest.mark.parametrize(
    ("initialiser", "low", "high", "formula"),
    [
        (uniform_between(0.0, 1.0), 0.0, 1.0, "U(0, 1)"),
        (uniform_by("D", 3**0.5), -math.sqrt(3 / 50), math.sqrt(3 / 50), "U(-1.732/√D, 1.732/√D)"),
        (glorot_uniform(), -math.sqrt(6 / 450), math.sqrt(6 / 450), "U(-√(6/(D+H)), √(6/(D+H)))"),
    ],
)
def test_uniform_ones_fill_their_range_and_nothing_else(
    initialiser: Initialiser, low: float, high: float, formula: str
) -> None:
    """Of 20,000 draws the outermost come within a thousandth of the range's width."""
    values = filled(initialiser)
    assert low <= float(values.min()) < low + (high - low) / 1000
    assert high - (high - low) / 1000 < float(values.max()) <= high
    assert initialiser.formula == formula


@pytest.mark.parametrize(
    ("initialiser", "mean", "std", "formula"),
    [
        (normal(0.1), 0.0, 0.1, "N(0, 0.1²)"),
        (normal(0.2, mean=0.4), 0.4, 0.2, "N(0.4, 0.2²)"),
        (normal_by("H", 2 / 5**0.5), 0.0, 2 / math.sqrt(5 * 400), "N(0, 0.8944²/H)"),
    ],
)
def test_normal_ones_have_their_mean_and_deviation(
    initialiser: Initialiser, mean: float, std: float, formula: str
) -> None:
    """Of 20,000 draws: the mean to 5 standard errors, std / √20,000, and the deviation to 3 percent, 6 of its own."""
    values = filled(initialiser)
    assert float(values.mean()) == pytest.approx(mean, abs=5 * std / math.sqrt(20_000))
    assert float(values.std()) == pytest.approx(std, rel=0.03)
    assert initialiser.formula == formula


def test_unit_rows_have_length_one_and_point_anywhere() -> None:
    values = filled(unit_rows())
    torch.testing.assert_close((values * values).sum(-1), torch.ones(400, dtype=torch.float64), rtol=0, atol=1e-14)
    assert float(values.mean(0).abs().max()) < 5 / math.sqrt(400 * 50)


def test_evenly_spaced_values_run_along_the_last_axis() -> None:
    values = filled(evenly_spaced(0.0, -1.0))
    torch.testing.assert_close(values[3], -torch.arange(50, dtype=torch.float64) / 49, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    "initialiser",
    [uniform_between(0.0, 1.0), uniform_by("D", 1.0), glorot_uniform(), normal(1.0), normal_by("D", 1.0), unit_rows()],
)
def test_a_seed_repeats_what_is_drawn(initialiser: Initialiser) -> None:
    assert torch.equal(filled(initialiser, 7), filled(initialiser, 7))
    assert not torch.equal(filled(initialiser, 7), filled(initialiser, 8))
