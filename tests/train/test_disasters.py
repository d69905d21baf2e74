"""Full disks, disks that cannot be written, and kills at any update: every kind ends with the numbers of a run never stopped."""

import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from carrousel.cli import run as carrousel
from carrousel.models.kinds import KINDS, find_kind, load, read_settings, write_starter
from carrousel.train import checkpoint
from carrousel.train.run import CHECKPOINT, Run

NUM_UPDATES = 6
QUICK = {
    "updates": NUM_UPDATES,
    "epochs": None,
    "evaluate_every": 3,
    "checkpoint_every": 2,
    "threads": 1,
    "batch_size": 8,
}
MORE: dict[str, dict[str, Any]] = {  # what keeps a kind small
    "language-model": {"sample": {"length": 5}, "train": {"tbptt": 8}},
    "forecaster": {"model": {"context": 24, "horizon": 4}},
    "tagger": {"model": {"characters": "none"}},
}
LINES = {
    "tagger": 1_500,
    "classifier": 100,
    "target-classifier": 60,
    "word-sense": 60,
    "seq2seq": 200,
    "autoencoder": 1_500,
}
"""lines that are kept of the sample"""


def project(kind: str, folder: Path) -> Path:
    """The settings file of a small project of this kind, made as `carrousel new` makes it."""
    settings_file = write_starter(kind, folder)[0]
    settings: Any = yaml.safe_load(settings_file.read_text())
    for section, values in {"train": QUICK, "model": {"hidden_size": 4}}.items():
        settings.setdefault(section, {}).update(values)
    for section, values in MORE.get(kind, {}).items():
        settings.setdefault(section, {}).update(values)
    settings_file.write_text(yaml.safe_dump(settings))
    if kind in LINES:
        for name in {settings["data"]["train"], settings["data"].get("valid")} - {None}:
            lines = (folder / name).read_text().splitlines(keepends=True)
            (folder / name).write_text("".join(lines[: LINES[kind]]) + "\n" * (kind == "tagger"))
    return settings_file


def start(settings_file: Path, path: Path) -> Run:
    kind, settings = read_settings(settings_file)
    return Run.start(kind, settings, path)


def run_to_the_end(run: Run) -> None:
    for _ in run.train():
        pass
    run.finish()


def results(folder: Path) -> dict[str, Any]:
    """What a run left, without what a clock measured."""
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((folder / "summary.json").read_text())
    for values in (*metrics, summary):
        del values["seconds"]
    del summary["loader_share"]
    names = ("model.safetensors", "config.json", "config.yaml", "examples.json", "sample.txt")
    return {"metrics": metrics, "summary": summary} | {name: (folder / name).read_bytes() for name in names}


KILL = """
import os, signal, sys
from pathlib import Path
from carrousel.models import find_kind
from carrousel.train.run import Run

for event in Run.resume(Path(sys.argv[1]), find_kind).train():
    if f"{type(event).__name__} {event.update}" == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "autoencoder" else pytest.mark.slow) for kind in KINDS]
)
def test_a_run_of_any_kind_that_was_killed_ends_as_one_never_stopped(kind: str, tmp_path: Path) -> None:
    settings_file, killed = project(kind, tmp_path / "project"), tmp_path / "killed"
    run_to_the_end(start(settings_file, tmp_path / "whole"))

    start(settings_file, killed)
    update = random.Random(kind).randint(3, NUM_UPDATES - 1)  # there is a checkpoint before it
    ended = subprocess.run([sys.executable, "-c", KILL, str(killed), f"Step {update}"], check=False)
    assert ended.returncode == -9
    assert not (killed / "summary.json").exists()
    run = Run.resume(killed, find_kind)
    assert run.training.update == (update - 1) // 2 * 2
    run_to_the_end(run)

    assert results(killed) == results(tmp_path / "whole")
    found, network = load(killed, "test")
    assert (found.name, network.training) == (kind, False)


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was asked to stop after its second update, in the current folder."""
    settings_file = project("autoencoder", tmp_path)
    monkeypatch.chdir(tmp_path)
    run = start(settings_file, Path("run"))
    for _ in run.train(lambda: run.training.update == 2):
        pass
    return Path("run")


NO_ROOM = """
import resource, sys
from carrousel.cli import run

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(run(["train", "--resume", "run"]))
"""


def test_a_disk_without_room_for_a_checkpoint_leaves_the_one_before(stopped: Path, tmp_path: Path) -> None:
    before = (stopped / CHECKPOINT).read_bytes()
    command = [sys.executable, "-c", NO_ROOM, str(len(before) - 1)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (
        2,
        "carrousel: run/checkpoint.safetensors cannot be written (File too large), expected room and permission. What was there "
        "before is unharmed.\n",
    )
    assert (stopped / CHECKPOINT).read_bytes() == before
    assert not list(stopped.glob(".*"))
    run_to_the_end(Run.resume(stopped, find_kind))

    run_to_the_end(start(tmp_path / "autoencoder.yaml", Path("whole")))
    assert results(stopped) == results(Path("whole"))


@pytest.mark.parametrize(
    ("name", "unharmed"),
    [
        ("metrics.jsonl", "The last checkpoint is unharmed."),
        ("log.txt", "The last checkpoint is unharmed."),
        (".checkpoint.safetensors.partial", "What was there before is unharmed."),
        (".summary.json.partial", "What was there before is unharmed."),
    ],
)
def test_whichever_file_finds_the_disk_full_it_is_one_line_and_the_run_goes_on_afterwards(
    stopped: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    unharmed: str,
) -> None:
    before, opened = (stopped / CHECKPOINT).read_bytes(), Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if path.name == name and mode != "r":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        assert carrousel(["train", "--resume", "run"]) == 2
    shown = name.removeprefix(".").removesuffix(".partial")
    assert capsys.readouterr().err == (
        f"carrousel: run/{shown} cannot be written (No space left on device), expected room and permission. {unharmed}\n"
    )
    assert name == ".summary.json.partial" or (stopped / CHECKPOINT).read_bytes() == before
    assert checkpoint.load(stopped / CHECKPOINT)["training"]
    assert carrousel(["train", "--resume", "run"]) == 0
    run_to_the_end(start(tmp_path / "autoencoder.yaml", Path("whole")))
    assert results(stopped) == results(Path("whole"))


def test_a_log_that_cannot_be_written_does_not_hide_what_went_wrong(
    stopped: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, is_full = Path.open, False

    def full(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        nonlocal is_full
        is_full |= path.name == ".checkpoint.safetensors.partial"
        if is_full and mode != "r":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        assert carrousel(["train", "--resume", "run"]) == 2
    assert capsys.readouterr().err == (
        "carrousel: run/metrics.jsonl cannot be written (No space left on device), expected room and permission. The last "
        "checkpoint is unharmed.\n"
    )


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing can be made or removed, as on a disk mounted for reading."""
    folder = tmp_path / "read-only"
    folder.mkdir()

    def refusing(name: str) -> None:
        before = getattr(Path, name)

        def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
            if path.is_relative_to(folder) and not (name == "open" and (*arguments, "r")[0] == "r"):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return before(path, *arguments, **more)

        monkeypatch.setattr(Path, name, refuse)

    for name in ("open", "mkdir", "unlink"):
        refusing(name)
    return folder


def test_a_run_where_nothing_can_be_written_is_answered_in_one_line(
    read_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_file = project("autoencoder", tmp_path / "project")
    assert carrousel(["train", str(settings_file), "--run", str(read_only / "run")]) == 2
    assert capsys.readouterr().err == (
        f"carrousel: train: the run folder {read_only}/run cannot be made (Read-only file system), expected a place to write to. "
        "Choose another --run.\n"
    )


def test_a_project_where_nothing_can_be_written_is_answered_in_one_line(
    read_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert carrousel(["new", "autoencoder", str(read_only / "mine")]) == 2
    assert capsys.readouterr().err == (
        f"carrousel: new: {read_only}/mine cannot be made (Read-only file system), expected a folder to write to. Name another.\n"
    )


def test_a_file_where_nothing_can_be_written_is_answered_in_one_line(
    read_only: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Path.mkdir
    monkeypatch.setattr(Path, "mkdir", lambda path, **more: None if path == read_only else made(path, **more))  # pyright: ignore
    assert carrousel(["new", "autoencoder", str(read_only)]) == 2
    assert capsys.readouterr().err == (
        f"carrousel: {read_only}/autoencoder.yaml cannot be written (Read-only file system), expected room and permission. What "
        "was there before is unharmed.\n"
    )
