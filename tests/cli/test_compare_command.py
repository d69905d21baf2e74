"""`carrousel compare` as a user meets it: what it prints, leaves behind and answers to bad input."""

import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

import carrousel.train.compare_console as compare_console
from carrousel.cli import run
from carrousel.train.compare import Comparison, Measured, Run, compare
from carrousel.train.contender import contenders

Command = Callable[..., tuple[int, str, str]]

QUICK = ["reber", "--cells", "srn,lstm", "--seeds", "2", "--hidden-size", "3", "--workers", "1"]


@pytest.fixture
def carrousel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `carrousel compare` in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["compare", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_a_comparison_prints_a_table_and_leaves_its_numbers_and_curves(carrousel: Command, tmp_path: Path) -> None:
    code, out, err = carrousel(*QUICK, "--budget", "1040", "--run", "run")
    assert (code, err) == (0, "")
    assert re.search(r"^[1-4] of 4: lstm, seed 1: \.\d{3} of the strings right \(\d+\.\d s\)$", out, re.MULTILINE)
    assert "reber: 1,040 strings, 3 units, 2 seeds" in out
    for cell, parameters in (("srn", 61), ("lstm", 160)):
        assert re.search(rf"^{cell} +{parameters} \.\d{{3}} \(", out, re.MULTILINE)
    assert out.splitlines()[-1] == "Run folder: run"

    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["compare.json", "learning_curves.png"]
    runs = json.loads((tmp_path / "run" / "compare.json").read_text())
    assert [(found["cell"], found["seed"]) for found in runs] == [("srn", 0), ("srn", 1), ("lstm", 0), ("lstm", 1)]
    for found in runs:
        assert list(found) == [
            "cell", "seed", "parameters", "steps_legal", "strings_right", "sequences", "seconds", "curve",
        ]  # fmt: skip
        assert [seen for seen, _, _ in found["curve"]] == [400, 800, 1_000, 1_040]
        assert found["curve"][-1][1:] == [found["steps_legal"], found["strings_right"]]


def test_the_default_run_folder_is_named_after_the_task_and_needs_no_matplotlib(
    carrousel: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    code, out, err = carrousel(*QUICK, "--budget", "16")
    assert (code, err) == (0, "")
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"compare_reber_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)
    assert [path.name for path in folder.iterdir()] == ["compare.json"]
    name = folder.relative_to(tmp_path)
    assert out.splitlines()[-3:] == [
        f"{name}/learning_curves.png was not drawn: Matplotlib is not installed. pip install 'carrousel[plot]'",
        "",
        f"Run folder: {name}",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["embeded-reber"],
            "unknown task 'embeded-reber'. Did you mean 'embedded-reber'? All tasks: reber, embedded-reber.",
        ),
        (["reber", "--cells", "lsmt"], "unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells"),
        (["reber", "--seeds", "0"], "compare: seeds is 0, expected at least 1. Choose a larger number."),
        (["reber", "--budget", "-5"], "compare: budget is -5, expected at least 16. Choose a larger number."),
        (["reber", "--hidden-size", "0"], "compare: hidden_size is 0, expected at least 1. Choose a larger number."),
        (["reber", "--workers", "0"], "compare: workers is 0, expected at least 1. Choose a larger number."),
        (
            ["embedded-reber", "--min-length", "-1"],
            "embedded-reber: min_length is -1, expected 0 or more. Use 0 for strings of any length.",
        ),
        (
            ["reber", "--seeds", "two"],
            "Invalid value for '--seeds': Input should be a valid integer, unable to parse string as an integer. See: "
            "carrousel compare --help",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(
    carrousel: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert carrousel(*arguments) == (2, "", f"carrousel: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_in_use_is_left_alone(carrousel: Command, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    code, out, err = carrousel(*QUICK, "--run", "used")
    assert (code, out) == (2, "")
    assert err == "carrousel: compare: the run folder used already exists, expected a new one. Choose another --run.\n"
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("num_runs", "said"),
    [
        (0, "Stopped after 0 of 4 runs; none was done.\n"),
        (3, "Stopped after 3 of 4 runs; run/compare.json has those that were done.\n"),
    ],
)
def test_ctrl_c_keeps_the_runs_that_were_done(
    carrousel: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_runs: int, said: str
) -> None:
    def interrupted(comparison: Comparison, _num_workers: int) -> Iterator[Measured | Run]:
        done = 0
        for event in compare(comparison):
            if done == num_runs:
                raise KeyboardInterrupt
            yield event
            done += isinstance(event, Run)

    monkeypatch.setattr(compare_console, "compare", interrupted)
    code, out, err = carrousel(*QUICK, "--budget", "16", "--run", "run")
    assert (code, err) == (130, "")
    assert out.endswith(said)
    assert [path.name for path in tmp_path.iterdir()] == ["run"][:num_runs]
    if num_runs:
        assert len(json.loads((tmp_path / "run" / "compare.json").read_text())) == num_runs


def test_a_terminal_shows_how_far_it_is_and_how_long_it_takes() -> None:
    from carrousel.train.compare_progress import CompareProgress

    comparison = Comparison("reber", contenders("srn"), seeds=2, budget=800, hidden_size=3)
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=100, color_system=None)
    with CompareProgress(console, comparison) as progress:
        for event in compare(comparison):
            progress.show(event)
            progress.bar.refresh()
    for percent, seed, seen in ((25, 0, 400), (50, 0, 800), (100, 1, 800)):
        line = rf"{percent} %  \d+:\d\d left  srn, seed {seed}: \.\d{{3}} right after {seen}"
        assert re.search(line, written.getvalue())


@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_after_ctrl_c_no_process_is_left(tmp_path: Path) -> None:
    line = "compare reber --cells srn --seeds 200 --budget 1600 --workers 2 --run run"
    process = subprocess.Popen(
        [sys.executable, "-m", "carrousel", *line.split()],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("1 of 200: srn, seed ")
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()  # comes back when no process holds the output open any more
    assert (process.returncode, err) == (130, "")
    assert re.search(r"^Stopped after \d+ of 200 runs; run/compare.json has those that were done\.$", out, re.MULTILINE)
