"""The loop on a model small enough to follow by hand: y = w * x with squared error."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from carrousel.train import checkpoint
from carrousel.train.loop import Checkpoint, Evaluation, Event, Loss, Plan, Step, Training, TrainingError, train

pytestmark = pytest.mark.tiny


class Numbers:
    """Batches 0., 1., 2., ..."""

    def __init__(self) -> None:
        self.position = 0

    def next(self) -> float:
        self.position += 1
        return float(self.position - 1)

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.position = state["position"]


class Slope(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.0))
        self.dropout = nn.Dropout(0.5)


def loss_of(model: Slope, batch: float, carried: Any) -> Loss:
    """(w x - 1)² with noise from dropout, plus what was carried: a tensor that grows by w."""
    before = torch.tensor(0.0) if carried is None else carried[0]
    noise = model.dropout(torch.ones(3)).sum()
    return Loss((model.w * batch - 1) ** 2 + 0.1 * noise * model.w + 0 * before, (before + model.w,), 2)


def new_training() -> Training[float]:
    torch.manual_seed(3)
    model = Slope()
    return Training(model, torch.optim.Adam(model.parameters()), Numbers())


def constant(_update: int) -> float:
    return 0.1


def rising(update: int) -> float:
    return update / 10


def plan(**changes: Any) -> Plan:
    settings: dict[str, Any] = {
        "updates": 6,
        "learning_rate": constant,
        "evaluate_every": 4,
        "checkpoint_every": 3,
    }
    return Plan(**(settings | changes))


def measure(model: Slope) -> dict[str, float]:
    assert not model.training
    assert not torch.is_grad_enabled()
    torch.rand(100)
    return {"w": model.w.item()}


def run(training: Training[float], **changes: Any) -> list[Event]:
    return list(train(training, loss_of, measure, plan(**changes)))


def test_events_come_in_the_order_things_happen() -> None:
    names = [f"{type(event).__name__} {event.update}" for event in run(new_training())]
    assert names == [
        "Step 1", "Step 2", "Step 3", "Checkpoint 3", "Step 4", "Evaluation 4", "Step 5", "Step 6", "Evaluation 6", "Checkpoint 6",
    ]  # fmt: skip


def test_a_step_reports_what_was_seen_and_at_which_rate() -> None:
    steps = [event for event in run(new_training(), learning_rate=rising) if isinstance(event, Step)]
    assert [step.seen for step in steps] == [2, 4, 6, 8, 10, 12]
    assert [step.learning_rate for step in steps] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert steps[0].loss == 1.0  # (0 * 0 - 1)², and w = 0 silences the noise


def test_evaluation_disturbs_neither_the_random_state_nor_the_mode() -> None:
    often = new_training()
    run(often, evaluate_every=1)
    seldom = new_training()
    run(seldom, evaluate_every=6)
    assert torch.equal(often.model.state_dict()["w"], seldom.model.state_dict()["w"])
    assert often.model.training


def test_clipping_scales_the_gradient_down_to_the_norm() -> None:
    training = new_training()
    training.optimiser = torch.optim.SGD(training.model.parameters())
    training.model.dropout = nn.Dropout(1.0)  # no noise
    training.batches.next()  # start at batch 1
    event = next(train(training, loss_of, measure, plan(updates=1, clip_norm=0.5)))
    assert isinstance(event, Step)
    assert event.gradient_norm == 2.0  # d(w - 1)²/dw at w = 0
    assert training.model.state_dict()["w"].item() == pytest.approx(0.1 * 0.5, rel=1e-5)  # torch adds 1e-6 to the norm


def test_no_gradient_flows_through_what_is_carried() -> None:
    training = new_training()
    run(training)
    assert isinstance(training.carried[0], Tensor)
    assert not training.carried[0].requires_grad


def test_stopping_and_going_on_from_a_file_changes_no_bit(tmp_path: Any) -> None:
    whole = new_training()
    expected = run(whole)

    for stop_after in range(1, 6):
        first = new_training()
        events = train(first, loss_of, measure, plan(), should_stop=lambda n=stop_after, t=first: t.update >= n)
        seen = list(events)
        assert isinstance(seen[-1], Checkpoint)
        checkpoint.save(tmp_path / "state", first.state_dict())
        torch.manual_seed(99)
        second = Training(Slope(), torch.optim.Adam(Slope().parameters()), Numbers())
        second.optimiser = torch.optim.Adam(second.model.parameters())
        second.load_state_dict(checkpoint.load(tmp_path / "state"))
        seen += run(second)
        measured = [event for event in seen if not isinstance(event, Checkpoint)]
        assert measured == [event for event in expected if not isinstance(event, Checkpoint)]
        assert torch.equal(second.model.state_dict()["w"], whole.model.state_dict()["w"])


def test_a_finished_run_has_no_more_events() -> None:
    training = new_training()
    run(training)
    assert run(training) == []


def test_an_evaluation_holds_what_the_function_gave() -> None:
    training = new_training()
    last = [event for event in run(training) if isinstance(event, Evaluation)][-1]
    assert last.values == {"w": training.model.state_dict()["w"].item()}


def test_a_loss_that_is_not_finite_stops_before_the_update() -> None:
    training = new_training()

    def diverging(model: Slope, batch: float, carried: Any) -> Loss:
        return Loss(model.w * math.nan if batch == 2 else model.w * 1.0)

    with pytest.raises(TrainingError) as caught:
        list(train(training, diverging, measure, plan(clip_norm=5.0)))
    assert str(caught.value) == (
        "train: the loss of update 3 is nan nats, which is not a number to learn from, expected finite numbers. Lower the "
        "learning rate (0.1 here) or the clip norm (5)."
    )
    assert math.isfinite(training.model.state_dict()["w"].item())


def test_a_gradient_that_is_not_finite_stops_before_the_update() -> None:
    with pytest.raises(TrainingError) as caught:
        list(train(new_training(), lambda model, batch, carried: Loss(model.w.sqrt()), measure, plan()))
    assert str(caught.value) == (
        "train: the loss of update 1 is 0 nats, its gradient's norm is inf, expected finite numbers. Lower the "
        "learning rate (0.1 here) or the clip norm (inf)."
    )
