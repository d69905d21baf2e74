"""The section `train`: what is given, what is left, and what does not fit together."""

from typing import Any

import pytest
import torch
from pydantic import Field
from train.test_loop import Numbers, Slope

from carrousel.errors import ConfigError
from carrousel.train.averaging import MovingAverage, StalledAverage
from carrousel.train.from_settings import device_of, plan_of, training_of
from carrousel.train.settings import Settings
from carrousel.train.train_settings import TrainSettings

pytestmark = pytest.mark.tiny

ALL = "All settings: carrousel train --settings"


class ByUpdates(TrainSettings):
    """A kind that counts updates."""

    updates: int | None = Field(default=6_400, ge=1)
    """optimiser steps"""
    epochs: float | None = Field(default=None, gt=0)
    """passes"""


class Whole(Settings):
    """All settings of some kind."""

    train: TrainSettings = TrainSettings()


def length(settings: TrainSettings) -> tuple[int | None, float | None]:
    return settings.updates, settings.epochs


def test_what_is_given_wins_over_the_default_of_the_other() -> None:
    assert length(TrainSettings()) == (None, 10)
    assert length(TrainSettings(updates=500)) == (500, None)
    assert length(ByUpdates()) == (6_400, None)
    assert length(ByUpdates(epochs=3)) == (None, 3)
    assert length(TrainSettings(updates=None)) == (None, 10)
    assert length(Whole.of({"train": {"epochs": 4}}).train) == (None, 4)


def test_an_override_wins_over_a_default_and_over_a_file() -> None:
    assert length(Whole.of({}, ["train.updates=500"]).train) == (500, None)
    assert length(Whole.of({"train": {"epochs": 4}}, ["train.updates=500"]).train) == (500, None)
    assert length(Whole.of({"train": {"updates": None, "epochs": 4}}, ["train.updates=500"]).train) == (500, None)


def test_settings_go_through_a_file_unchanged() -> None:
    changed = Whole.of({}, ["train.updates=500", "train.clip_value=3", "train.schedule=step", "train.decay_every=9"])
    assert Whole.from_yaml(changed.to_yaml()) == changed
    assert Whole.from_yaml(Whole().to_yaml()) == Whole()


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"updates": 5, "epochs": 2}, "updates is 5 and epochs is 2, expected one of them to be null"),
        ({"updates": None, "epochs": None}, "updates is null and epochs is null, expected one of them to be null"),
        ({"schedule": "step"}, "decay_every is null with schedule step, expected a number of updates"),
        ({"decay_every": 7}, "decay_every is 7 with schedule cosine, expected null"),
        (
            {"momentum": 0.9},
            "momentum is 0.9 with optimiser adam, expected 0, or one of sgd, nt-asgd, rmsprop (beta1 is what adam has)",
        ),
        (
            {"nesterov": True, "optimiser": "sgd"},
            "nesterov is true with optimiser sgd and momentum 0, expected sgd or nt-asgd, and a momentum above 0",
        ),
        (
            {"average": 0.99, "optimiser": "nt-asgd"},
            "average is 0.99 with optimiser nt-asgd, expected null: it has a mean of its own",
        ),
        (
            {"sharding": "fsdp", "diagnose_every": 5},
            "sharding is fsdp with diagnose_every 5, expected null: a look at single weights needs them whole",
        ),
        (
            {"decay_every": 7, "average": 0.5, "optimiser": "nt-asgd"},
            "decay_every is 7 with schedule cosine, expected null; average is 0.5 with optimiser nt-asgd, expected null: it has a "
            "mean of its own",
        ),
    ],
)
def test_settings_that_do_not_fit_each_other_are_named(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Whole.of({"train": given})
    assert str(caught.value) == f"train: train: {fault}. {ALL}"


def test_every_setting_is_documented_and_has_a_value_to_begin_with() -> None:
    for name, field in TrainSettings.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


def test_a_plan_counts_epochs_in_batches() -> None:
    assert plan_of(TrainSettings(epochs=2.5), 100).updates == 250
    assert plan_of(TrainSettings(epochs=2, accumulate=8), 100).updates == 25
    assert plan_of(TrainSettings(epochs=0.001), 100).updates == 1
    assert plan_of(TrainSettings(updates=7), 100).updates == 7
    assert plan_of(TrainSettings(accumulate=4), 100).evaluate_every == 25
    assert plan_of(TrainSettings(evaluate_every=9), 100).evaluate_every == 9


def test_the_settings_say_what_is_averaged() -> None:
    def averaging(**given: Any) -> Any:
        return training_of(TrainSettings(device="cpu", **given), Slope(), Numbers()).averaging

    assert averaging() is None
    assert isinstance(averaging(average=0.9), MovingAverage)
    stalled = averaging(optimiser="nt-asgd", stall=3)
    assert isinstance(stalled, StalledAverage)
    assert stalled.leave_out == 3


def test_a_device_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(TrainSettings()) == device_of(TrainSettings(device="cpu")) == torch.device("cpu")
    with pytest.raises(ConfigError) as caught:
        device_of(TrainSettings(device="cuda"))
    assert str(caught.value) == (
        "train: train.device is cuda for process 0 of this machine, and torch finds 0 GPUs, expected one for each process. Set "
        "train.device=cpu, or start fewer processes."
    )


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert device_of(TrainSettings()) == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError) as caught:
        device_of(TrainSettings())
    assert str(caught.value) == (
        "train: train.device is auto for process 2 of this machine, and torch finds 2 GPUs, expected one for each process. Set "
        "train.device=cpu, or start fewer processes."
    )
