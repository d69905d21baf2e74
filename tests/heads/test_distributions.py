"""Distribution heads against closed forms, published tables and numerical integration."""

import math
from typing import cast

import pytest
import torch

from carrousel.errors import ConfigError
from carrousel.heads.distributions import FAMILIES, MOST_FREEDOM, DistributionHead, StudentT, sample_crps

LOC, SCALE = 0.7, 1.9
FREEDOM = (2.1, 5.0, MOST_FREEDOM)


def cases() -> list[tuple[str, torch.Tensor]]:
    """Family and parameters; Student's t at several degrees of freedom."""
    flat = [(name, torch.tensor([LOC, SCALE], dtype=torch.float64)) for name in ("gaussian", "laplace")]
    return flat + [("student-t", torch.tensor([LOC, SCALE, freedom], dtype=torch.float64)) for freedom in FREEDOM]


def density(name: str, params: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Written out anew, with math.gamma for Student's t."""
    z = (y - LOC) / SCALE
    if name == "gaussian":
        return torch.exp(-(z**2) / 2) / (SCALE * math.sqrt(2 * math.pi))
    if name == "laplace":
        return torch.exp(-z.abs()) / (2 * SCALE)
    n = params[2].item()
    log_scale = math.lgamma((n + 1) / 2) - math.lgamma(n / 2) - 0.5 * math.log(n * math.pi) - math.log(SCALE)
    return math.exp(log_scale) * (1 + z**2 / n) ** (-(n + 1) / 2)


def numbers(values: torch.Tensor) -> list[float]:
    return cast(list[float], values.tolist())


def grid() -> torch.Tensor:
    """Fine in the middle and far out in the tails: y = LOC + SCALE sinh(u)."""
    return LOC + SCALE * torch.sinh(torch.linspace(-12, 12, 10_001, dtype=torch.float64))


@pytest.mark.parametrize(("name", "params"), cases())
def test_log_probabilities_are_those_of_the_density(name: str, params: torch.Tensor) -> None:
    y, head = torch.linspace(-20, 20, 81).double(), DistributionHead(1, name)
    found = head.log_prob(params.expand(81, -1), y)
    torch.testing.assert_close(found, density(name, params, y).log(), atol=1e-12, rtol=1e-12)
    assert (head.loss(params.expand(81, -1), y) == -found).all()


@pytest.mark.parametrize(("name", "params"), cases())
def test_quantiles_are_where_the_integral_of_the_density_is_the_level(name: str, params: torch.Tensor) -> None:
    levels = torch.tensor([0.001, 0.025, 0.1, 0.5, 0.8, 0.975], dtype=torch.float64)
    found = DistributionHead(1, name).quantiles(params[None], levels)[0]
    y = grid()
    for level, quantile in zip(numbers(levels), numbers(found), strict=True):
        below = torch.cat([y[y < quantile], torch.tensor([quantile], dtype=torch.float64)])
        assert torch.trapezoid(density(name, params, below), below).item() == pytest.approx(level, abs=2e-6)


@pytest.mark.parametrize(
    ("freedom", "level", "expected"),
    [(5, 0.975, 2.570582), (10, 0.95, 1.812461), (30, 0.995, 2.749996), (3, 0.9, 1.637744)],
)
def test_quantiles_of_student_are_those_of_printed_tables(freedom: float, level: float, expected: float) -> None:
    found = StudentT.quantile(torch.tensor(level).double(), torch.tensor(freedom).double())
    assert found.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("name", "params"), cases())
@pytest.mark.parametrize("y", [LOC, -3.0, 6.5])
def test_crps_is_the_integral_of_its_definition(name: str, params: torch.Tensor, y: float) -> None:
    x, family = grid(), FAMILIES[name]
    freedom = params[2] if len(params) == 3 else None
    here = torch.tensor([y], dtype=torch.float64)
    below, above = torch.cat([x[x < y], here]), torch.cat([here, x[x > y]])
    expected = torch.trapezoid(family.cdf((below - LOC) / SCALE, freedom) ** 2, below)
    expected = expected + torch.trapezoid((1 - family.cdf((above - LOC) / SCALE, freedom)) ** 2, above)
    found = DistributionHead(1, name).crps(params[None], here).item()
    assert found == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("name", "params"), cases())
def test_draws_have_its_quantiles_and_its_crps(name: str, params: torch.Tensor) -> None:
    head, number = DistributionHead(1, name), 10_000
    draws = head.sample(params.expand(number, -1), torch.Generator().manual_seed(0))
    levels = torch.tensor([0.1, 0.5, 0.9]).double()
    torch.testing.assert_close(draws.quantile(levels), head.quantiles(params[None], levels)[0], atol=0.15, rtol=0)
    y = torch.tensor([2.5]).double()
    assert sample_crps(draws[:, None], y).item() == pytest.approx(head.crps(params[None], y).item(), rel=0.03)


def test_crps_of_draws_is_its_definition_over_all_pairs() -> None:
    draws, y = torch.randn(7, 4, 3).double(), torch.randn(4, 3).double()
    apart = sum((draws[i] - draws[j]).abs() for i in range(7) for j in range(7) if i != j)
    assert isinstance(apart, torch.Tensor)
    expected = (draws - y).abs().mean(0) - apart / (2 * 7 * 6)
    torch.testing.assert_close(sample_crps(draws, y), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(sample_crps(draws[:1], y), (draws[0] - y).abs(), atol=1e-12, rtol=0)


def test_crps_of_a_narrow_distribution_is_the_absolute_error() -> None:
    for name in FAMILIES:
        params = torch.tensor([[1.0, 1e-9, 50.0][: 3 if name == "student-t" else 2]]).double()
        assert DistributionHead(1, name).crps(params, torch.tensor([4.0]).double()).item() == pytest.approx(3, rel=1e-6)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_parameters_are_in_range_and_learn(name: str) -> None:
    torch.manual_seed(0)
    head = DistributionHead(5, name)
    params = head(20 * torch.randn(100, 3, 5))
    assert (params[..., 1] >= 1e-4).all()
    if name == "student-t":
        assert (params[..., 2] >= 2.1).all()
        assert (params[..., 2] <= 200).all()
    loss = head.loss(params, torch.randn(100, 3)).mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert head.linear.weight.grad is not None
    assert torch.isfinite(head.linear.weight.grad).all()


def test_shifting_moves_the_location_alone() -> None:
    head = DistributionHead(1, "student-t")
    assert head.shift(torch.tensor([[1.0, 2.0, 5.0]]), torch.tensor([10.0])).tolist() == [[11, 2, 5]]
    assert head.point(torch.tensor([[1.0, 2.0, 5.0]])).tolist() == [1]


def test_the_gaussian_head_finds_mean_and_deviation() -> None:
    torch.manual_seed(0)
    head, target = DistributionHead(1, "gaussian"), 3 + 0.5 * torch.randn(50)
    optimiser = torch.optim.Adam(head.parameters(), 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        head.loss(head(torch.ones(50, 1)), target).mean().backward()
        optimiser.step()
    loc, scale = head(torch.ones(1)).tolist()
    assert loc == pytest.approx(target.mean().item(), abs=0.02)
    assert scale == pytest.approx(target.std(correction=0).item(), abs=0.02)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        DistributionHead(1, "cauchy")
    assert str(caught.value) == (
        "DistributionHead: family is 'cauchy', expected one of gaussian, laplace, student-t. Choose one."
    )
