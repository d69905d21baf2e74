"""Trackers: what reaches them, what they leave behind, and what happens where one is missing or fails."""

import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from toy_kind import ToySettings

import carrousel.train.trackers as trackers
from carrousel.errors import ConfigError, DataError
from carrousel.train.loop import Checkpoint, Evaluation, Event, Step
from carrousel.train.summary import Summary
from carrousel.train.trackers import TrackerWarning, make_tracker, tracking
from carrousel.train.trackers.tracker import Tracker

SUMMARY = Summary(
    kind="toy", name="toy", source="nothing", size="", unit="ones", figures={"distance": 0.5}, monitor="distance",
    is_higher_better=False, best_update=2, baselines={"zero (0)": {"figures": {"distance": 3.0}, "about": "the weight 0"}},
    seen=4, seconds=0.1, parameters=1, updates=2, notes={},
)  # fmt: skip
EVENTS: list[Event] = [
    Step(1, 2, 9.0, 0.1, 6.0),
    Step(2, 4, 8.0, 0.05, 5.0),
    Evaluation(2, {"distance": 0.5}),
    Checkpoint(2),
]


class Fake:
    """Notes down what it is told; raises where it is told to."""

    fails_at = ""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def _note(self, name: str, *values: Any) -> None:
        self.told.append((name, *values))
        if name == self.fails_at:
            raise OSError("no network")

    def start(self, settings: Mapping[str, Any], folder: Path, update: int = 0) -> None:
        self._note("start", settings["train.updates"], folder.name, update)

    def step(self, update: int, values: Mapping[str, float]) -> None:
        self._note("step", update, dict(values))

    def evaluation(self, update: int, values: Mapping[str, float]) -> None:
        self._note("evaluation", update, dict(values))

    def finish(self, summary: Summary) -> None:
        self._note("finish", summary.figures)

    def close(self) -> None:
        self._note("close")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A tracker of the name `fake`."""
    found = Fake()

    def make(name: str, where: str) -> Fake:
        return found

    monkeypatch.setattr(trackers, "make_tracker", make)
    return found


def track(names: list[str], folder: Path, update: int = 0, *, is_finished: bool = True) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    with tracking(names, ToySettings(), folder, update) as tracked:
        for event in EVENTS:
            tracked.take(event)
        if is_finished:
            tracked.finish(SUMMARY)


def test_a_tracker_is_told_of_updates_figures_and_the_end(fake: Fake, tmp_path: Path) -> None:
    assert isinstance(fake, Tracker)
    track(["fake"], tmp_path / "run")
    assert fake.told == [
        ("start", 8, "run", 0),
        ("step", 1, {"loss": 9.0, "learning_rate": 0.1, "gradient_norm": 6.0, "seen": 2.0}),
        ("step", 2, {"loss": 8.0, "learning_rate": 0.05, "gradient_norm": 5.0, "seen": 4.0}),
        ("evaluation", 2, {"distance": 0.5}),
        ("finish", {"distance": 0.5}),
        ("close",),
    ]


def test_a_tracker_is_closed_when_training_fails(fake: Fake, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), tracking(["fake"], ToySettings(), tmp_path, 3):
        raise ZeroDivisionError
    assert fake.told == [("start", 8, tmp_path.name, 3), ("close",)]


def test_one_that_fails_on_the_way_is_left_out_with_a_warning(fake: Fake, tmp_path: Path) -> None:
    fake.fails_at = "step"
    with pytest.warns(TrackerWarning) as warned:
        track(["fake"], tmp_path / "run")
    assert [str(warning.message) for warning in warned] == [
        "train: the tracker fake failed (OSError: no network) and is left out from here on; the run folder has everything."
    ]
    assert [told[0] for told in fake.told] == ["start", "step"]


def test_one_that_cannot_start_is_an_error(fake: Fake, tmp_path: Path) -> None:
    fake.fails_at = "start"
    with pytest.raises(DataError) as raised:
        track(["fake"], tmp_path / "run")
    assert str(raised.value) == (
        "train: the tracker fake cannot be started (OSError: no network), expected it to take the run. Check its set-up, or leave "
        "it out of train.track."
    )


def test_unknown_and_missing_trackers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as raised:
        make_tracker("tensorbord")
    assert str(raised.value) == (
        "train: unknown tracker 'tensorbord'. Did you mean 'tensorboard'? Trackers: tensorboard, wandb, mlflow."
    )
    monkeypatch.delitem(sys.modules, "carrousel.train.trackers.mlflow", raising=False)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError) as raised:
        make_tracker("mlflow")
    assert str(raised.value) == (
        "train: the tracker mlflow needs the package mlflow, which is not installed. pip install 'carrousel[mlflow]'"
    )


needs_tensorboard = pytest.mark.skipif(
    not importlib.util.find_spec("tensorboard"), reason="tensorboard is not installed"
)
needs_wandb = pytest.mark.skipif(not importlib.util.find_spec("wandb"), reason="wandb is not installed")
needs_mlflow = pytest.mark.skipif(not importlib.util.find_spec("mlflow"), reason="mlflow is not installed")


@needs_tensorboard
def test_tensorboard_gets_event_files_that_it_can_read(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    track(["tensorboard"], tmp_path / "run", is_finished=False)
    track(["tensorboard"], tmp_path / "run", update=1)  # goes on from update 1: update 2 is there once
    events: Any = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {
        "train/loss", "train/learning_rate", "train/gradient_norm", "train/seen", "valid/distance", "best/distance",
    }  # fmt: skip
    assert [(scalar.step, scalar.value) for scalar in events.Scalars("valid/distance")] == [(2, 0.5)]
    assert [scalar.value for scalar in events.Scalars("best/distance")] == [0.5]
    assert set(events.Tags()["tensors"]) == {"settings/text_summary", "baselines/text_summary"}


def joined_records(log: bytes) -> bytes:
    """What W&B's log holds; its records are cut where a block of 32 KiB ends, as in LevelDB's log format."""
    content, at = b"", 7  # after the header of the file
    while at < len(log):
        left = 32_768 - at % 32_768
        size = int.from_bytes(log[at + 4 : at + 6], "little")
        content += log[at + 7 : at + 7 + size] if left >= 7 else b""
        at += 7 + size if left >= 7 else left
    return content


@needs_wandb
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_wandb_works_offline_and_a_run_that_goes_on_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_PROJECT", "tests")
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    wandb: Any = pytest.importorskip("wandb")

    track(["wandb"], tmp_path / "run")
    wandb.teardown()  # its service writes on after a run's end; this waits for it, as the end of a process does
    run_id = (tmp_path / "run" / "wandb.txt").read_text().strip()
    [written] = (tmp_path / "run" / "wandb").glob(f"offline-run-*/run-{run_id}.wandb")
    content = joined_records(written.read_bytes())
    for needed in (b"valid/distance", b"train/gradient_norm", b"train.updates", b"best/distance"):
        assert needed in content
    track(["wandb"], tmp_path / "run", update=1)
    assert (tmp_path / "run" / "wandb.txt").read_text().strip() == run_id


@needs_mlflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mlflow_gets_settings_metrics_and_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MlflowClient: Any = pytest.importorskip("mlflow").MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    track(["mlflow"], tmp_path / "runs" / "one", is_finished=False)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    run_id = (tmp_path / "runs" / "one" / "mlflow.txt").read_text().strip()
    assert client.get_run(run_id).info.status == "KILLED"
    track(["mlflow"], tmp_path / "runs" / "one", update=2)
    run: Any = client.get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "one")
    assert run.data.params["train.updates"] == "8"
    assert run.data.metrics["valid/distance"] == 0.5
    assert run.data.metrics["baseline/zero _0_/distance"] == 3.0
    assert [metric.step for metric in client.get_metric_history(run_id, "train/loss")][:2] == [1, 2]


def test_settings_reach_a_tracker_as_plain_values(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def start(settings: Mapping[str, Any], folder: Path, update: int) -> None:
        seen.update(settings)

    monkeypatch.setattr(fake, "start", start)
    track(["fake"], tmp_path / "run")
    assert seen["kind"] == "toy"
    assert seen["model.cell"] == "lstm"
    assert seen["train.clip_value"] == "inf"
    assert json.loads(json.dumps(seen)) == seen
