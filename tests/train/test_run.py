"""Runs killed at any moment go on to the numbers of one that never stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carrousel.errors import ConfigError, DataError
from carrousel.models import find_kind
from carrousel.models.language_model import KIND
from carrousel.models.language_model.settings import LanguageModelSettings
from carrousel.train.loop import Checkpoint, Step
from carrousel.train.run import Run

SETTINGS = [
    "model.hidden_size=5", "model.embedding_size=3", "model.dropout=0.2", "train.updates=12", "train.batch_size=2",
    "train.tbptt=8", "train.warmup_updates=2", "train.evaluate_every=4", "train.checkpoint_every=3", "sample.length=20",
    "train.threads=1",
]  # fmt: skip


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file of 120 characters: an epoch is 5 windows, so that 12 updates begin three of them."""
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over a dog.\nagain: " * 3)
    return path


def settings_of(text: Path, *overrides: str) -> LanguageModelSettings:
    return LanguageModelSettings.of({"data": {"text": str(text)}}, [*SETTINGS, *overrides])


def start(text: Path, path: Path, *overrides: str) -> Run:
    return Run.start(KIND, settings_of(text, *overrides), path)


def resume(path: Path) -> Run:
    return Run.resume(path, find_kind)


def run_to_the_end(run: Run) -> None:
    for _ in run.train():
        pass
    run.finish()


def results(folder: Path) -> dict[str, Any]:
    """What a run left, without what a clock measured."""
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((folder / "summary.json").read_text())
    for values in (*metrics, summary):
        assert values.pop("seconds") >= 0
    assert 0 <= summary.pop("loader_share") < 1
    names = ("model.safetensors", "config.json", "config.yaml")
    return {"metrics": metrics, "summary": summary} | {name: (folder / name).read_bytes() for name in names}


KILL_AGAIN_AND_AGAIN = """
import os, signal, sys
from pathlib import Path
import carrousel.files
from carrousel.models import find_kind
from carrousel.train.run import Run

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def go_on_until(moment, number):
    if moment == "writing":
        class Os:
            def __getattr__(self, name):
                return getattr(os, name)
            def replace(self, source, target):
                nonlocal number
                number -= 1
                die() if number == 0 else os.replace(source, target)
        carrousel.files.os = Os()
    for event in Run.resume(Path(sys.argv[1]), find_kind).train():
        if f"{type(event).__name__} {event.update}" == f"{moment} {number}":
            die()

for argument in sys.argv[2:]:
    moment, number = argument.split()
    child = os.fork()
    if child == 0:
        go_on_until(moment, int(number))
        sys.exit(0)
    how = os.WTERMSIG(os.waitpid(child, 0)[1])
    assert how == signal.SIGKILL, (argument, how)
"""


def test_a_run_killed_again_and_again_ends_as_one_never_stopped(text: Path, tmp_path: Path) -> None:
    run_to_the_end(start(text, tmp_path / "whole"))

    killed = tmp_path / "killed"
    start(text, killed)
    # Before the first checkpoint; while its third file replaces the one before (the checkpoint of update 3, the weights
    # after update 4, the checkpoint of update 6); between an update and its evaluation; after it; after a checkpoint.
    moments = ["Step 2", "writing 3", "Step 8", "Evaluation 8", "Checkpoint 9"]
    subprocess.run([sys.executable, "-c", KILL_AGAIN_AND_AGAIN, str(killed), *moments], check=True)
    run_to_the_end(resume(killed))

    assert results(killed) == results(tmp_path / "whole")
    assert len(results(killed)["metrics"]) == 12 + 3


def test_a_run_that_was_asked_to_stop_ends_as_one_never_stopped(text: Path, tmp_path: Path) -> None:
    run_to_the_end(start(text, tmp_path / "whole"))
    run = start(text, tmp_path / "stopped")
    *_, last = run.train(should_stop=lambda: run.training.update == 5)
    assert last == Checkpoint(5)
    run_to_the_end(resume(tmp_path / "stopped"))
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")


def test_a_finished_run_can_be_finished_again(text: Path, tmp_path: Path) -> None:
    run_to_the_end(start(text, tmp_path / "run"))
    before = results(tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    run_to_the_end(resume(tmp_path / "run"))
    assert results(tmp_path / "run") == before


def test_a_run_folder_holds_what_the_issue_names(text: Path, tmp_path: Path) -> None:
    run = start(text, tmp_path / "run")
    steps = [event for event in run.train() if isinstance(event, Step)]
    summary = run.finish()
    assert run.draw(summary) is None
    assert sorted(os.listdir(tmp_path / "run")) == [
        "checkpoint.safetensors", "config.json", "config.yaml", "curve.png", "data.json", "examples.json", "gates.json", "log.txt",
        "metrics.jsonl", "model.safetensors", "report.html", "sample.txt", "summary.json",
    ]  # fmt: skip
    saved = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert list(saved["baselines"]) == ["uniform", "unigram", "trigram", "5-gram", "xz"]
    assert saved["figures"] == summary.figures
    assert summary.figures["bits_per_character"] > 0
    assert (saved["seen"], saved["updates"]) == (12 * 2 * 8, 12) == (steps[-1].seen, steps[-1].update)
    assert saved["seconds"] > 0
    assert saved["parameters"] == sum(parameter.numel() for parameter in run.prepared.network.parameters())
    assert len((tmp_path / "run" / "sample.txt").read_text()) == 20


def test_a_run_that_is_gone_on_with_names_its_data_as_it_was_given(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    start(Path(text.name), tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = resume(tmp_path / "run")
    assert again.prepared.source == "text.txt"
    run_to_the_end(again)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["source"] == "text.txt"
    (tmp_path / "run" / "data.json").write_text("{}")
    with pytest.raises(DataError) as caught:
        resume(tmp_path / "run")
    assert str(caught.value) == (
        f"train: {tmp_path}/run/data.json is damaged ('source'), expected what `carrousel train` wrote. Start a new run."
    )
    (tmp_path / "run" / "data.json").unlink()  # as in runs of earlier versions
    assert resume(tmp_path / "run").prepared.source == str(text)


def test_the_weights_kept_are_those_that_were_measured_best(text: Path, tmp_path: Path) -> None:
    overrides = ("train.learning_rate=3.0", "train.evaluate_every=1", "train.warmup_updates=11")  # ever worse
    run = start(text, tmp_path / "run", *overrides)
    run_to_the_end(run)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    found = {
        line["update"]: line["figures"]["bits_per_character"]
        for line in results(tmp_path / "run")["metrics"]
        if "figures" in line
    }
    assert summary["best_update"] == min(found, key=lambda update: found[update]) < 12
    assert summary["figures"]["bits_per_character"] == min(found.values())
    best = KIND.load(tmp_path / "run")
    measured = KIND.evaluate(best, text)["bits_per_character"]
    assert measured > 0
    assert run.prepared.evaluate(best) == summary["figures"]


def test_a_finetuned_run_killed_before_its_first_checkpoint_keeps_its_first_weights(text: Path, tmp_path: Path) -> None:
    run_to_the_end(start(text, tmp_path / "first"))
    settings = settings_of(text, "train.average=0.9", "train.seed=3")
    run_to_the_end(Run.start(KIND, settings, tmp_path / "a", weights=tmp_path / "first"))
    for event in Run.start(KIND, settings, tmp_path / "b", weights=tmp_path / "first").train():
        if isinstance(event, Step) and event.update == 2:
            break
    run_to_the_end(resume(tmp_path / "b"))
    assert results(tmp_path / "a") == results(tmp_path / "b")


def test_the_mean_of_weights_begins_with_those_that_a_run_starts_from(text: Path, tmp_path: Path) -> None:
    run_to_the_end(start(text, tmp_path / "first"))
    settings = settings_of(text, "train.average=0.9", "train.seed=3")
    run = Run.start(KIND, settings, tmp_path / "second", weights=tmp_path / "first")
    first = KIND.load(tmp_path / "first").state_dict()
    with run.training.averaged():
        assert all((first[name] == value).all() for name, value in run.prepared.network.state_dict().items())


def test_finetuning_starts_from_the_weights_of_a_run(text: Path, tmp_path: Path) -> None:
    run_to_the_end(start(text, tmp_path / "first"))
    again = Run.start(KIND, settings_of(text), tmp_path / "second", weights=tmp_path / "first")
    before = find_kind("language-model").load(tmp_path / "first").state_dict()
    assert all((before[name] == value).all() for name, value in again.prepared.network.state_dict().items())


def test_a_run_folder_in_use_is_left_alone(text: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("")
    with pytest.raises(ConfigError) as caught:
        start(text, tmp_path / "run")
    assert str(caught.value) == (
        f"train: the run folder {tmp_path}/run already exists, expected a new one. Choose another --run, or go on with a run "
        f"that was stopped: carrousel train --resume {tmp_path}/run"
    )
    assert os.listdir(tmp_path / "run") == ["mine"]


def test_a_text_that_changed_cannot_be_resumed(text: Path, tmp_path: Path) -> None:
    run_to_the_end(start(text, tmp_path / "run"))
    text.write_text(text.read_text().replace("fox", "cat"))
    with pytest.raises(DataError) as caught:
        resume(tmp_path / "run")
    assert str(caught.value) == (
        f"train: {text} has changed since {tmp_path}/run was started, expected the same data. Put it back, or start a new run."
    )


def test_metrics_that_were_cut_by_hand_cannot_be_resumed(text: Path, tmp_path: Path) -> None:
    run = start(text, tmp_path / "run")
    run_to_the_end(run)
    size = (tmp_path / "run" / "metrics.jsonl").stat().st_size
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    with pytest.raises(DataError) as caught:
        resume(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path}/run/metrics.jsonl has 0 bytes, expected at least the {size:,} it had at the checkpoint. Put the file "
        "back, or start a new run."
    )


def test_only_a_run_folder_can_be_resumed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, what in (
        (tmp_path / "a", "does not exist"),
        (tmp_path, "has no config.yaml"),
        (tmp_path / "file", "is a file"),
    ):
        with pytest.raises(DataError) as caught:
            resume(path)
        assert str(caught.value) == (
            f"train: the run folder {path} {what}, expected one that `carrousel train` made. Check the path given to --resume."
        )
    assert os.listdir(tmp_path) == ["file"]
