"""`carrousel train` and `carrousel sample` as a user meets them: what they print, leave behind and answer to bad input."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from carrousel.cli import main

Command = Callable[..., tuple[int, str, str]]

QUICK = [
    "model.hidden_size=4", "model.embedding_size=3", "train.updates=40", "train.batch_size=2", "train.tbptt=8",
    "train.evaluate_every=20", "train.checkpoint_every=10", "train.threads=1", "sample.length=30",
]  # fmt: skip
TEXT = "the quick brown fox jumps over a dog.\nagain: " * 5


@pytest.fixture
def carrousel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["carrousel", *arguments])
        with pytest.raises(SystemExit) as caught:
            sys.exit(main())
        return caught.value.code or 0, *capsys.readouterr()  # type: ignore[return-value]

    return run


def test_a_users_own_file_is_trained_measured_and_sampled(carrousel: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(TEXT)
    code, out, err = carrousel("train", "mine.txt", *QUICK, "--run", "run")
    assert (code, err) == (0, "")
    assert out.startswith("Training a language-model (lstm, 4 units, ")
    assert re.search(
        r"^ 50 %  \d\.\d{3} bits/char  \d+:\d\d left  loss \d\.\d{3} nats  [\d,]+ chars/s  loader \d+ %$", out, re.M
    )
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert f"│ {summary['figures']['bits_per_character']:.3f} │" in re.sub(" +", " ", out)
    for name in ("unigram", "trigram", "5-gram", "xz"):
        assert re.search(rf"│ {name} +│ +{summary['baselines'][name]['figures']['bits_per_character']:.3f} │", out)
    assert out.splitlines()[-1] == "Run folder: run. To use the model: carrousel sample run"
    assert "bits/char" in (tmp_path / "run" / "log.txt").read_text()

    code, out, err = carrousel("sample", "run", "--prompt", "the é", "--length", "30", "--seed", "1")
    assert (code, len(out), out[:5]) == (0, 36, "the é")
    assert err == "sample: the model has never seen 'é'; what it makes of these is chance.\n"
    assert carrousel("sample", "run", "--prompt", "the é", "--length", "30", "--seed", "1")[1] == out


@pytest.mark.tiny
def test_the_default_run_folder_is_named_after_the_text(carrousel: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(TEXT)
    assert carrousel("train", "mine.txt", *QUICK, "train.updates=1")[0] == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"mine_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)


@pytest.mark.tiny
def test_settings_can_be_listed(carrousel: Command) -> None:
    code, out, _ = carrousel("train", "--settings", "language-model")
    assert code == 0
    assert "  hidden_size: 256  # units in a layer\n" in out


UTF8 = "expected a UTF-8 text file with at least 680 characters"
ALL = "All settings: carrousel train --settings language-model"
CALL = (
    "expected a settings file, a sample or a text file, then settings. For example: carrousel train shakespeare "
    "train.updates=1000"
)
BAD_INPUT = [
    (["train"], f"train: nothing is given to train on, {CALL}"),
    (["train", "train.updates=5"], f"train: 'train.updates=5' stands where the data is expected, {CALL}"),
    (["train", "shakespere"], "train: 'shakespere' is neither a sample text nor a file. Did you mean 'shakespeare'? Samples: "
     "shakespeare; or give the path of a UTF-8 text file."),
    (["train", "no/such.txt"], f"train: no/such.txt does not exist, {UTF8}. Check the path."),
    (["train", "empty.txt"], f"train: empty.txt is empty (0 bytes), {UTF8}. Check that it was written completely."),
    (["train", "binary.txt"], f"train: binary.txt is binary (byte 1 is NUL), {UTF8}. Extract its text first."),
    (["train", "short.txt"], f"train: short.txt has 5 characters, {UTF8}. Give a longer text, or lower window or batch_size."),
    (["train", "folder"], f"train: folder is a folder, {UTF8}. Name one file in it, or join its files into one."),
    (["train", "long.txt", "model.hiden_size=3"],
     f"train: unknown setting 'model.hiden_size'. Did you mean 'model.hidden_size'? {ALL}"),
    (["train", "long.txt", "model.cell=lsmt"],
     f"train: model.cell: unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells. {ALL}"),
    (["train", "long.txt", "--run", "folder"], "train: the run folder folder already exists, expected a new one. Choose another "
     "--run, or go on with a run that was stopped: carrousel train --resume folder"),
    (["train", "long.txt", "--run", "long.txt"], "train: the run folder long.txt is a file, expected a new one. Choose another "
     "--run, or go on with a run that was stopped: carrousel train --resume long.txt"),
    (["train", "long.txt", "--run", "long.txt/run"], "train: the run folder long.txt/run cannot be made (Not a directory), "
     "expected a place to write to. Choose another --run."),
    (["train", "--resume", "nowhere"], "train: the run folder nowhere does not exist, expected one that `carrousel train` made. "
     "Check the path given to --resume."),
    (["train", "--resume", "folder"], "train: the run folder folder has no config.yaml, expected one that `carrousel train` made. "
     "Check the path given to --resume."),
    (["train", "long.txt", "--resume", "folder"], "train: --resume is given with something to train on, settings, --run, "
     "--finetune, --range-test or --skip-bad, expected it alone: a run goes on with what it was started with. Leave the others "
     "out, or start a new run."),
    (["train", "long.txt", "--run", "new", "--range-test"], "train: --run new is given with --range-test, which makes no run "
     "folder, expected one of them. Leave one out."),
    (["train", "--resume", "folder", "--skip-bad"], "train: --resume is given with something to train on, settings, --run, "
     "--finetune, --range-test or --skip-bad, expected it alone: a run goes on with what it was started with. Leave the others "
     "out, or start a new run."),
    (["sample", "nowhere"], "sample: nowhere does not exist, expected the folder of a trained model (config.json and "
     "model.safetensors). Check the path; `carrousel train` makes one."),
]  # fmt: skip


def test_a_range_test_suggests_a_learning_rate_and_leaves_nothing(carrousel: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(TEXT)
    code, out, err = carrousel("train", "mine.txt", *QUICK, "train.learning_rate=0.002", "--range-test")
    assert (code, err) == (0, "")
    assert out.startswith("learning rate  loss, smoothed")
    suggested = re.search(r"^ *(\S+) +\S+  █* <- suggested *$", out, re.M)
    last = re.fullmatch(
        r"The loss fell fastest at train\.learning_rate=(\S+); the settings have 0\.002\. No run folder was made\.",
        out.splitlines()[-1],
    )
    assert suggested is not None
    assert last is not None, out
    assert float(suggested[1]) == pytest.approx(float(last[1]), rel=0.05)
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.tiny
@pytest.mark.parametrize(("arguments", "message"), BAD_INPUT)
def test_bad_input_is_answered_in_one_line_and_leaves_no_folder(
    carrousel: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "binary.txt").write_bytes(b"\x7f\0ELF" * 1_000)
    (tmp_path / "short.txt").write_text("short")
    (tmp_path / "long.txt").write_text(TEXT * 10)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("")
    before = sorted(os.walk(tmp_path))
    assert carrousel(*arguments) == (2, "", f"carrousel: {message}\n")
    assert sorted(os.walk(tmp_path)) == before


def test_a_loss_that_is_not_finite_ends_with_exit_code_2(
    carrousel: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(logits: Tensor, *_: object, **__: object) -> Tensor:
        return logits.sum() * float("nan")

    monkeypatch.setattr("torch.nn.functional.cross_entropy", nothing)
    (tmp_path / "mine.txt").write_text(TEXT)
    code, _, err = carrousel("train", "mine.txt", *QUICK, "--run", "run")
    assert code == 2
    first, *rest = err.splitlines()
    assert re.fullmatch(
        r"carrousel: train: the loss of update \d+ is nan, expected a finite number\. Lower the learning rate \(\S+ here\), "
        r"such as train\.learning_rate=\S+\. The weights are those before this update\.",
        first,
    )
    assert rest[0] == "  first: output of the loss function is nan"
    assert first.removeprefix("carrousel: ") in (tmp_path / "run" / "log.txt").read_text()
    assert json.loads((tmp_path / "run" / "not_finite.json").read_text())


def start_and_signal(folder: Path, number: int) -> tuple[int, str]:
    """Start a long run in another process and signal it once it trains."""
    command = [sys.executable, "-m", "carrousel", "train", "mine.txt", *QUICK, "train.updates=4000", "--run", "run"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "bits/char" in line:
                process.send_signal(number)
                break
        return process.wait(), process.stdout.read()


def test_ctrl_c_saves_a_checkpoint_and_says_how_to_go_on(carrousel: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(TEXT)
    code, out = start_and_signal(tmp_path, signal.SIGINT)
    stopped = re.fullmatch(
        r"Stopped after update (\d+) of 4,000\. To go on: carrousel train --resume run", out.splitlines()[-1]
    )
    assert (code, stopped is not None) == (130, True), out
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    assert "Traceback" not in out
