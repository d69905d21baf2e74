"""The loop on a model small enough to follow by hand: y = w * x with squared error."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from carrousel.train import checkpoint
from carrousel.train.from_settings import plan_of, training_of
from carrousel.train.loop import Checkpoint, Evaluation, Event, Loss, Plan, Step, Training, TrainingError, train
from carrousel.train.train_settings import TrainSettings

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

    def __len__(self) -> int:
        return 3

    def shard(self, rank: int, world: int) -> "Numbers":
        assert (rank, world) == (0, 1)
        return self


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
        "train: the loss of update 3 is nan, expected a finite number. Lower the learning rate (0.1 here), such as "
        "train.learning_rate=0.01. The weights are those before this update.\n"
        "  first: output of the loss function is nan\n"
        "  gradient norms before: 1 1"
    )
    assert math.isfinite(training.model.state_dict()["w"].item())


def test_a_gradient_that_is_not_finite_stops_before_the_update() -> None:
    with pytest.raises(TrainingError) as caught:
        list(train(new_training(), lambda model, batch, carried: Loss(model.w.sqrt()), measure, plan()))
    assert str(caught.value) == (
        "train: the gradient norm of update 1 is inf, expected a finite number. Lower the learning rate (0.1 here), such as "
        "train.learning_rate=0.01. The weights are those before this update.\n"
        "  first: gradient of w of the network is inf"
    )


def test_early_stopping_ends_with_a_checkpoint_and_stays_ended() -> None:
    def worse(model: Slope) -> dict[str, float]:
        return {"error": float(training.update)}

    training = new_training()
    patient = plan(updates=50, evaluate_every=2, checkpoint_every=50, monitor="error", patience=2)
    events = list(train(training, loss_of, worse, patient))
    assert [type(event).__name__ for event in events[-3:]] == ["Step", "Evaluation", "Checkpoint"]
    assert training.update == 6
    assert training.history == [2.0, 4.0, 6.0]
    assert list(train(training, loss_of, worse, patient)) == []


def test_a_figure_to_be_high_is_kept_upside_down() -> None:
    training = new_training()
    plan_up = plan(updates=1, monitor="w", is_higher_better=True)
    list(train(training, loss_of, lambda model: {"w": 0.75}, plan_up))
    assert training.history == [-0.75]


def test_what_is_measured_is_the_mean_and_what_learns_is_not() -> None:
    given: dict[str, Any] = {"updates": 4, "evaluate_every": 1, "average": 0.5, "optimiser": "sgd", "device": "cpu"}
    settings = TrainSettings(**given)
    training = training_of(settings, Slope(), Numbers())
    own: list[float] = []
    measured: list[float] = []
    for event in train(training, loss_of, measure, plan_of(settings, 3)):
        if isinstance(event, Step):
            own.append(training.model.state_dict()["w"].item())
        if isinstance(event, Evaluation):
            measured.append(event.values["w"])
    parts = [1.0, 9 / 11, 9 / 12, 9 / 13]
    mean = 0.0
    expected: list[float] = []
    for part, weight in zip(parts, own, strict=True):
        mean += part * (weight - mean)
        expected.append(mean)
    assert measured == pytest.approx(expected)
    with training.averaged():
        assert training.model.state_dict()["w"].item() == measured[-1]
    assert training.model.state_dict()["w"].item() == own[-1]


def doubling(history: Sequence[float]) -> float:
    return 2.0 ** len(history)


def test_the_rate_of_an_update_is_scaled_by_its_batches_and_by_the_figures() -> None:
    def scaled(model: Slope, batch: float, carried: Any) -> Loss:
        return Loss(model.w * batch, num_seen=1 + int(batch), rate_factor=0.5 + batch)

    plan_of_two = plan(updates=2, accumulate=2, evaluate_every=1, monitor="w", rate_factor=doubling)
    events = list(train(new_training(), scaled, measure, plan_of_two))
    first = 0.1 * (1 * 0.5 + 2 * 1.5) / 3
    second = 2 * 0.1 * (3 * 2.5 + 4 * 3.5) / 7
    assert [event.learning_rate for event in events if isinstance(event, Step)] == pytest.approx([first, second])


def test_a_state_is_zeroed_as_often_as_asked_for() -> None:
    def count(probability: float) -> int:
        fresh: list[bool] = []

        def watched(model: Slope, batch: float, carried: Any) -> Loss:
            fresh.append(carried is None)
            return loss_of(model, batch, carried)

        list(train(new_training(), watched, measure, plan(updates=8, zero_state=probability, evaluate_every=8)))
        return sum(fresh)

    assert count(0.0) == 1
    assert count(1.0) == 8
    assert 1 < count(0.5) < 8


def test_gradients_are_cut_off_element_by_element() -> None:
    training = new_training()
    training.optimiser = torch.optim.SGD(training.model.parameters())
    training.batches.next()
    event = next(train(training, loss_of, measure, plan(updates=1, clip_value=0.25)))
    assert isinstance(event, Step)
    assert event.gradient_norm > 1
    assert abs(training.model.state_dict()["w"].item()) == pytest.approx(0.1 * 0.25)


def test_mixed_precision_is_for_training_alone() -> None:
    seen: list[torch.dtype] = []

    def watched(model: Any, batch: float, carried: Any) -> Loss:
        y = model(torch.ones(2, 2))
        seen.append(y.dtype)
        return Loss(y.float().sum())

    def watched_too(model: Any) -> dict[str, float]:
        seen.append(model(torch.ones(2, 2)).dtype)
        return {}

    model = nn.Linear(2, 2)
    training = Training(model, torch.optim.SGD(model.parameters()), Numbers())
    list(train(training, watched, watched_too, plan(updates=1, precision="bf16")))
    assert seen == [torch.bfloat16, torch.float32]
    assert model.weight.dtype == torch.float32
