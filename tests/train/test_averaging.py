"""Means of weights against sums done by hand."""

import pytest
import torch
from torch import nn

from carrousel.train.averaging import Averaging, MovingAverage, StalledAverage

pytestmark = pytest.mark.tiny


def model_at(value: float) -> nn.Linear:
    model = nn.Linear(2, 1)
    put(model, value)
    return model


def put(model: nn.Linear, value: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)


def value_of(averaging: Averaging, model: nn.Linear) -> float:
    with averaging.in_place():
        assert torch.equal(model.weight, model.bias.expand(1, 2))
        return model.bias.item()


def test_the_moving_mean_forgets_slowly_once_it_has_seen_enough() -> None:
    model = model_at(0.0)
    averaging = MovingAverage(model, decay=0.25)
    expected = 0.0
    for k, value in enumerate([4.0, 8.0, 0.0, 1.0, 2.0]):
        put(model, value)
        averaging.add()
        part = 1.0 if k == 0 else max(0.75, 9 / (10 + k))
        expected += part * (value - expected)
        assert value_of(averaging, model) == pytest.approx(expected)


def test_the_mean_of_all_begins_when_the_figures_stall() -> None:
    model = model_at(0.0)
    averaging = StalledAverage(model, leave_out=1)
    for value, history in ((9.0, [1.0]), (9.0, [1.0, 2.0]), (9.0, [1.0, 2.0, 3.0]), (1.0, [1.0, 2.0, 3.0, 0.0])):
        put(model, value)
        averaging.add()
        averaging.note(history)
    assert averaging.is_on
    assert value_of(averaging, model) == 1.0
    for value, mean in ((4.0, 2.5), (7.0, 4.0)):
        put(model, value)
        averaging.add()
        assert value_of(averaging, model) == pytest.approx(mean)


def test_the_mean_is_torchs_asgd() -> None:
    """torch.optim.ASGD with t0 0 and lambd 0 is what the released AWD-LSTM code switches to; it leaves the first step out."""
    ours, theirs = model_at(1.0), model_at(1.0)
    averaging = StalledAverage(ours, leave_out=0)
    averaging.note([1.0, 2.0])
    sgd = torch.optim.SGD(ours.parameters(), lr=0.1)
    asgd = torch.optim.ASGD(theirs.parameters(), lr=0.1, lambd=0.0, t0=0)
    for k in range(5):
        for model, optimiser in ((ours, sgd), (theirs, asgd)):
            optimiser.zero_grad()
            (model(torch.ones(3, 2)) - k).square().sum().backward()
            optimiser.step()
        if k > 0:
            averaging.add()
    with averaging.in_place():
        torch.testing.assert_close(ours.weight, asgd.state[theirs.weight]["ax"])


def test_an_error_inside_gives_the_own_weights_back() -> None:
    model = model_at(3.0)
    averaging = MovingAverage(model, decay=0.5)
    averaging.add()
    put(model, 5.0)

    def fail_inside() -> None:
        with averaging.in_place():
            assert model.bias.item() == 3.0
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert model.bias.item() == 5.0


def test_a_mean_that_has_not_begun_leaves_the_weights() -> None:
    model = model_at(3.0)
    assert value_of(StalledAverage(model), model) == 3.0
    saved = StalledAverage(model).state_dict()
    assert saved == {"count": 0, "means": [], "is_on": False}
    StalledAverage(model).load_state_dict(saved)


def test_frozen_parameters_stay_out() -> None:
    model = model_at(3.0)
    model.weight.requires_grad_(False)
    averaging = MovingAverage(model, decay=0.5)
    averaging.add()
    assert len(averaging.means) == 1
