"""Quantile and point heads."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from carrousel.errors import ConfigError
from carrousel.heads.points import PointHead
from carrousel.heads.quantiles import QuantileHead, interpolate, pinball

LEVELS = [0.1, 0.5, 0.9]


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.01, 0.99))
def test_pinball_is_its_definition(quantile: float, target: float, level: float) -> None:
    found = pinball(torch.tensor([quantile]).double(), torch.tensor(target).double(), torch.tensor([level]).double())
    expected = level * (target - quantile) if target >= quantile else (1 - level) * (quantile - target)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_the_empirical_quantile_has_the_smallest_pinball_loss() -> None:
    sample = torch.randn(2001, generator=torch.Generator().manual_seed(0)).double()
    tried = torch.linspace(-3, 3, 601).double()
    levels = torch.tensor(LEVELS).double()
    losses = torch.stack([pinball(q.expand(2001, 3), sample, levels).mean(0) for q in tried])
    torch.testing.assert_close(tried[losses.argmin(0)], sample.quantile(levels), atol=0.02, rtol=0)


@pytest.mark.parametrize("crossing", ["sort", "softplus"])
def test_quantiles_never_cross_and_all_can_learn(crossing: str) -> None:
    torch.manual_seed(0)
    head = QuantileHead(5, LEVELS, crossing)
    features = 10 * torch.randn(200, 7, 5)
    params = head(features)
    assert params.shape == (200, 7, 3)
    assert (params.diff(dim=-1) >= 0).all()
    head.loss(params, torch.randn(200, 7)).mean().backward()
    assert head.linear.weight.grad is not None
    assert (head.linear.weight.grad.abs().sum(1) > 0).all()


def test_its_loss_is_the_mean_over_the_levels() -> None:
    head = QuantileHead(1, LEVELS)
    params, target = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([3.0])
    assert head.loss(params, target).item() == pytest.approx((0.1 * 2 + 0.5 * 1 + 0.1 * 1) / 3)


def test_it_learns_the_quantiles_of_a_sample() -> None:
    torch.manual_seed(0)
    head, target = QuantileHead(1, LEVELS), torch.rand(101)
    optimiser = torch.optim.Adam(head.parameters(), 0.05)
    for _ in range(150):
        optimiser.zero_grad()
        head.loss(head(torch.ones(101, 1)), target).mean().backward()
        optimiser.step()
    torch.testing.assert_close(
        head(torch.ones(1))[None], target.quantile(torch.tensor(LEVELS))[None], atol=0.06, rtol=0
    )


def test_other_levels_lie_on_straight_lines() -> None:
    quantiles, levels = torch.tensor([[0.0, 10.0, 30.0]]).double(), torch.tensor(LEVELS).double()
    wanted = torch.tensor([0.1, 0.3, 0.5, 0.6, 0.9]).double()
    torch.testing.assert_close(interpolate(quantiles, levels, wanted), torch.tensor([[0.0, 5, 10, 15, 30]]).double())
    head = QuantileHead(1, LEVELS)
    torch.testing.assert_close(head.quantiles(quantiles.float(), wanted), torch.tensor([[0.0, 5, 10, 15, 30]]))
    assert head.point(quantiles.float()).tolist() == [10]
    assert QuantileHead(1, [0.2, 0.4]).point(torch.tensor([[1.0, 3.0]])).tolist() == [3]
    assert QuantileHead(1, [0.5]).point(torch.tensor([[7.0]])).tolist() == [7]


def test_draws_have_its_quantiles() -> None:
    head, params = QuantileHead(1, LEVELS), torch.tensor([0.0, 10.0, 30.0]).expand(20_000, 3)
    draws = head.sample(params, torch.Generator().manual_seed(0))
    found = draws.quantile(torch.tensor([0.3, 0.5, 0.7]))
    torch.testing.assert_close(found, torch.tensor([5.0, 10.0, 20.0]), atol=0.5, rtol=0)
    assert (draws.min().item(), draws.max().item()) == (0, 30)


def test_shifting_moves_every_quantile() -> None:
    head = QuantileHead(1, LEVELS)
    assert head.shift(torch.tensor([[1.0, 2, 3]]), torch.tensor([10.0])).tolist() == [[11, 12, 13]]


def test_levels_out_of_range_are_refused() -> None:
    for levels in ([], [0.5, 0.1], [0.5, 0.5], [0.0, 0.5], [0.5, 1.0]):
        with pytest.raises(ConfigError) as caught:
            QuantileHead(1, levels)
        assert str(caught.value) == (
            f"QuantileHead: levels are {levels}, expected rising numbers between 0 and 1. Give such as [0.1, 0.5, 0.9]."
        )
    with pytest.raises(ConfigError) as caught:
        QuantileHead(1, LEVELS, "clip")
    assert str(caught.value) == "QuantileHead: crossing is 'clip', expected one of sort, softplus. Choose one."
    with pytest.raises(ConfigError) as caught:
        QuantileHead(1, LEVELS).quantiles(torch.zeros(1, 3), torch.tensor([0.025, 0.5]))
    assert str(caught.value) == (
        "QuantileHead: quantiles 0.025 to 0.5 were asked for, expected 0.1 to 0.9, which were learned. Ask for narrower "
        "intervals, or "
        "train with wider ones: model.level."
    )


@pytest.mark.parametrize(("loss", "best"), [("absolute", 2.0), ("squared", 13 / 3)])
def test_a_point_head_learns_median_or_mean(loss: str, best: float) -> None:
    head, target = PointHead(1, loss), torch.tensor([1.0, 2.0, 10.0])
    tried = torch.linspace(0, 11, 1101)
    losses = torch.stack([head.loss(value.expand(3, 1), target).mean() for value in tried])
    assert tried[losses.argmin()].item() == pytest.approx(best, abs=0.01)


def test_a_point_head_is_one_number() -> None:
    head = PointHead(4)
    params = head.shift(torch.tensor([[1.0]]), torch.tensor([2.0]))
    assert params.tolist() == [[3]]
    assert head.point(params).tolist() == head.sample(params).tolist() == [3]
    assert head(torch.zeros(2, 3, 4)).shape == (2, 3, 1)
    with pytest.raises(ConfigError) as caught:
        head.quantiles(params, torch.tensor([0.5]))
    assert str(caught.value) == (
        "PointHead: quantiles were asked for, expected a head that has some. Train with head=quantile, or with a distribution."
    )
    with pytest.raises(ConfigError) as caught:
        PointHead(4, "huber")
    assert str(caught.value) == "PointHead: loss is 'huber', expected one of absolute, squared. Choose one."
