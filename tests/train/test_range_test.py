"""The range test on a parabola, whose highest stable learning rate is known."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from carrousel.errors import ConfigError
from carrousel.train.loop import Loss, Plan, Training
from carrousel.train.range_test import Point, range_test, suggest

pytestmark = pytest.mark.tiny


class Nothing:
    def __init__(self) -> None:
        self.position = 0

    def __len__(self) -> int:
        return 1

    def next(self) -> int:
        self.position += 1
        return self.position

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.position = state["position"]

    def shard(self, rank: int, world: int) -> "Nothing":
        return self


class Parabola(nn.Module):
    """Loss w² / 2 + 1: gradient descent shrinks w by 1 - rate, and runs away above 2."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.0))


def height(model: Parabola, batch: int, carried: Any) -> Loss:
    return Loss(model.w**2 / 2 + 1 + 0 * torch.rand(()), model.w * 1)


def started() -> Training[int]:
    model = Parabola()
    training = Training(model, torch.optim.SGD(model.parameters(), momentum=0.0), Nothing())
    training.update, training.history = 3, [2.0]
    return training


PLAN = Plan(updates=1, learning_rate=lambda update: 5.0, evaluate_every=1, checkpoint_every=1)


def test_rates_grow_by_one_factor_and_the_test_ends_when_the_loss_runs_away() -> None:
    points = list(range_test(started(), height, PLAN, low=1.1e-3, high=1.1e3, updates=61))
    assert [point.learning_rate for point in points[:11]] == pytest.approx([1.1e-3 * 10 ** (k / 10) for k in range(11)])
    assert 2 < points[-1].learning_rate < 100
    assert points[-1].smoothed > max(points[0].smoothed, 4 * min(point.smoothed for point in points))
    assert len(points) < 61


def test_training_is_left_as_it_was() -> None:
    training = started()
    before = deepcopy(training.state_dict())
    list(range_test(training, height, PLAN, low=1e-3, high=10.0, updates=20))
    torch.testing.assert_close(training.state_dict(), before, rtol=0, atol=0)

    points = range_test(training, height, PLAN, updates=20)
    next(points)
    points.close()  # pyright: ignore[reportAttributeAccessIssue] - it is a generator
    torch.testing.assert_close(training.state_dict(), before, rtol=0, atol=0)


def test_losses_are_smoothed_without_a_bias() -> None:
    points = list(range_test(started(), height, PLAN, low=1e-3, high=1.0, updates=5))
    weights = [0.9**k for k in range(3)]
    expected = sum(w * point.loss for w, point in zip(weights, reversed(points[:3]), strict=True)) / sum(weights)
    assert points[2].smoothed == pytest.approx(expected)


def test_the_rate_of_the_steepest_fall_is_suggested() -> None:
    points = [Point(10.0**k, loss, loss) for k, loss in enumerate([5.0, 4.9, 4.0, 2.0, 1.9, 8.0])]
    assert suggest(points) == 100.0  # 4.9 -> 2.0 around it
    found = suggest(list(range_test(started(), height, PLAN, low=1e-3, high=1e3, updates=61)))
    assert 0.01 < found < 2


def test_a_loss_that_is_not_finite_ends_the_test() -> None:
    def bursting(model: Parabola, batch: int, carried: Any) -> Loss:
        return Loss(model.w * (torch.inf if batch == 4 else 1.0))

    assert len(list(range_test(started(), bursting, PLAN, updates=10))) == 3


@pytest.mark.parametrize(("low", "high", "updates"), [(0.0, 1.0, 9), (1.0, 0.1, 9), (0.1, 1.0, 4)])
def test_rates_that_do_not_grow_are_an_error(low: float, high: float, updates: int) -> None:
    with pytest.raises(ConfigError) as caught:
        list(range_test(started(), height, PLAN, low, high, updates))
    assert str(caught.value) == (
        f"range_test: low is {low:g}, high {high:g} and updates {updates}, expected 0 < low < high and at least 5 updates. "
        "Choose others."
    )


def test_a_loss_that_never_falls_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        suggest([Point(0.1 * k, k, k) for k in range(1, 7)])
    assert str(caught.value) == (
        "suggest: 6 points with the least loss at number 0, expected at least 5 and a loss that falls. Begin at a lower rate, or "
        "make more updates."
    )
