"""Whatever optimiser, schedule, averaging and stopping: a run that was stopped is the run that was not, bit for bit."""

from typing import Any

import pytest
import torch
from train.test_loop import Numbers, Slope, loss_of

from carrousel.train import checkpoint
from carrousel.train.from_settings import plan_of, training_of
from carrousel.train.loop import Checkpoint, Event, Training, train
from carrousel.train.train_settings import TrainSettings

METHODS: dict[str, dict[str, Any]] = {
    "adam": {},
    "adam without a memory of the gradient": {"beta1": 0.0},
    "adamw": {"optimiser": "adamw", "weight_decay": 0.1},
    "sgd": {"optimiser": "sgd", "momentum": 0.9, "nesterov": True},
    "nt-asgd": {"optimiser": "nt-asgd", "stall": 1},
    "rmsprop": {"optimiser": "rmsprop", "momentum": 0.5, "beta2": 0.9},
    "linear": {"schedule": "linear", "warmup_updates": 2, "final_part": 0.1},
    "one-cycle": {"schedule": "one-cycle"},
    "step": {"schedule": "step", "decay_every": 2},
    "plateau": {"schedule": "plateau", "decay_patience": 1},
    "moving average": {"average": 0.8},
    "early stopping": {"patience": 2, "learning_rate": 0.5},
    "accumulation and zeroed states": {"accumulate": 3, "zero_state": 0.5, "clip_value": 0.05},
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_stopped_after_any_update_and_gone_on_from_a_file_no_bit_differs(method: dict[str, Any], tmp_path: Any) -> None:
    given: dict[str, Any] = {"updates": 7, "learning_rate": 0.1, "evaluate_every": 1, "device": "cpu", **method}
    settings = TrainSettings(**given)

    def distance(model: Slope) -> dict[str, float]:
        return {"distance": abs(model.w.item() - 0.15)}

    def run_until(stop_after: int, training: Training[float]) -> list[Event]:
        events = train(
            training, loss_of, distance, plan_of(settings, 3, "distance"), lambda: training.update >= stop_after
        )
        return [event for event in events if not isinstance(event, Checkpoint)]

    def build() -> Training[float]:
        torch.manual_seed(3)
        return training_of(settings, Slope(), Numbers())

    whole = build()
    expected = run_until(99, whole)
    for stop_after in range(1, whole.update):
        first = build()
        seen = run_until(stop_after, first)
        checkpoint.save(tmp_path / "state", first.state_dict())
        second = build()
        torch.manual_seed(99)
        second.load_state_dict(checkpoint.load(tmp_path / "state"))
        assert seen + run_until(99, second) == expected
        torch.testing.assert_close(second.state_dict(), whole.state_dict(), rtol=0, atol=0)
