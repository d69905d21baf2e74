"""`carrousel tune` as a user meets it: what it prints, leaves behind, and answers to bad input."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from toy_kind import find_toy

from carrousel.cli.tune import tune
from carrousel.errors import ConfigError, DataError
from carrousel.models import kinds
from carrousel.train import tune_console

pytest.importorskip("optuna")

FILE = """kind: toy
search:
  space:
    train.learning_rate: {low: 1e-3, high: 1, log: true}
    model.cell: {choices: [lstm, gru]}
"""

Command = Callable[..., str]


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """What the command prints, in a folder with toy.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kinds, "find_kind", find_toy)
    (tmp_path / "toy.yaml").write_text(FILE)

    def call(*overrides: str, **options: object) -> str:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["carrousel", "tune", "toy.yaml", *overrides, *words])
        tune(Path("toy.yaml"), list(overrides), **options)  # pyright: ignore[reportArgumentType]
        return capsys.readouterr().out

    return call


def test_a_search_prints_a_line_a_trial_and_leaves_the_best_settings(tuned: Command, tmp_path: Path) -> None:
    lines = tuned(trials=5).splitlines()
    assert lines[0] == "Searching 2 settings of a toy in 5 trials for the best distance. Study toy, folder: studies/toy"
    for number in range(5):
        assert re.fullmatch(
            rf"{number + 1} of 5: trial {number} (finished|ended early) \d\.\d{{3}}  (the best so far|best \d\.\d{{3}})  "
            r"learning_rate \S+  cell (lstm|gru)  0:\d\d",
            lines[number + 1],
        ), lines[number + 1]
    assert re.fullmatch(r"Best distance: \d\.\d{3}, of trial \d", lines[6])
    assert lines[7].split() == ["setting", "best", "importance"]
    assert {lines[8].split()[0], lines[9].split()[0]} == {"train.learning_rate", "model.cell"}
    assert lines[-2] == "Report: studies/toy/report.html"
    assert re.fullmatch(
        rf"Best settings: studies/toy/best.yaml. Its model: {tmp_path}/studies/toy/trials/000\d", lines[-1]
    )
    files = {path.name for path in (tmp_path / "studies" / "toy").iterdir()}
    assert files >= {"study.db", "trials", "report.html", "best.yaml", "trials.json"}
    assert "carrousel tune toy.yaml --trials 5" in (tmp_path / "studies" / "toy" / "report.html").read_text()

    lines = tuned(trials=6).splitlines()  # the same command goes on
    assert lines[1].startswith("6 of 6: trial 5 ")


def test_settings_for_all_trials_no_pruning_and_other_places_can_be_given(tuned: Command, tmp_path: Path) -> None:
    out = tuned(
        "train.updates=4", trials=2, prune=False, name="quick", folder=Path("here"), storage="shared/journal.log"
    )
    assert "Study quick, folder: here" in out
    assert (tmp_path / "shared" / "journal.log").exists()
    assert "updates: 4" in (tmp_path / "here" / "trials" / "0000" / "config.yaml").read_text()
    assert "pruner none" in (tmp_path / "here" / "report.html").read_text()


def test_a_preset_says_what_it_is_and_what_it_leaves_out(tuned: Command, tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text("kind: toy\nsearch: {preset: greff-2015}\n")
    lines = tuned(trials=1).splitlines()
    assert lines[1].startswith("greff-2015: Greff et al., LSTM: A Search Space Odyssey, 2015 (arXiv:1503.04069)")
    assert lines[2] == "greff-2015: a toy has no model.input_noise; it is left out."


def test_ctrl_c_says_how_to_go_on(
    tuned: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from contextlib import nullcontext

    asked = iter([False] * 12 + [True] * 10)
    with monkeypatch.context() as patch:
        patch.setattr(tune_console, "stop_on_interrupt", lambda: nullcontext(lambda: next(asked)))
        with pytest.raises(typer.Exit) as stopped:
            tuned(trials=3)
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().out.splitlines()[-1] == "Stopped. To go on: carrousel tune toy.yaml --trials 3"
    assert tuned(trials=3).splitlines()[1].startswith("2 of 3: trial 2 finished")  # trial 1 was left, and is made again


def test_bad_input_is_refused_before_anything_is_made(tuned: Command, tmp_path: Path) -> None:
    for option in ("trials", "workers"):
        with pytest.raises(ConfigError) as raised:
            tuned(**{option: 0})
        assert str(raised.value) == f"tune: {option} is 0, expected at least 1. Choose a larger number."
    (tmp_path / "toy.yaml").write_text("kind: toy\nmodel: {refuses: 0}\nsearch: {preset: greff-2015}\n")
    with pytest.raises(ConfigError) as raised:
        tuned()
    assert str(raised.value) == "tune: model.start is 0, expected another. Change it."
    (tmp_path / "toy.yaml").unlink()
    with pytest.raises(DataError) as missing:
        tuned()
    assert str(missing.value) == (
        "tune: toy.yaml does not exist, expected a settings file. carrousel new KIND writes one."
    )
    assert not (tmp_path / "studies").exists()


def test_a_study_in_which_everything_goes_wrong_is_an_error(tuned: Command, tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(
        "kind: toy\nmodel: {refuses: 5}\nsearch: {space: {model.start: {choices: [5]}}}\n"
    )
    with pytest.raises(tune_console.NoTrialError) as raised:
        tuned(trials=2)
    assert str(raised.value) == (
        "tune: all 2 trials went wrong. The last: tune: trial 1: model.start is 5, expected another. Change it."
    )
