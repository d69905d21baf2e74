"""`carrousel bench` as a user meets it, on small cases."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jaxtyping
import pytest

from carrousel import cli
from carrousel.bench import cases
from carrousel.bench.cases import Case
from carrousel.bench.row import read_rows

SMALL = (Case("LSTM", "lstm", "train", 2, 5, 4, bars={"torch": 0.0}), Case("LSTM", "lstm", "infer", 2, 5, 4))
QUICK = ["--no-first-calls", "--rounds", "2", "--threads", "1"]


@pytest.fixture(autouse=True)
def _small_cases(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(cases, "CASES", SMALL)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # a compilation makes many calls
    monkeypatch.setattr(cases, "_ZOO", {"batch": 2, "size": 5, "steps": 4})


def test_rows_become_a_table_and_a_file_and_the_table_of_the_readme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    options = ["--peers", "torch,loop", "--cells", "mut1", "--json", str(path)]
    assert cli.run(["bench", *options, *QUICK]) == 0
    out, err = capsys.readouterr()
    rows = json.loads(path.read_text())
    assert [(row["case"], row["mode"], row["peer"]) for row in rows] == [
        ("LSTM", "train", "torch"), ("LSTM", "train", "loop"), ("LSTM", "infer", "torch"), ("mut1", "train", "loop"),
    ]  # fmt: skip
    wanted = {"case", "cell", "mode", "B", "D", "H", "T", "peer", "ours_ms", "peer_ms", "ratio", "first_call_s"}
    assert all(wanted <= row.keys() for row in rows)
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "LSTM, train, B2 H5 T4", "LSTM, train, B2 H5 T4", "LSTM, infer, B2 H5 T4", "mut1, train, B2 H5 T4",
    ]  # fmt: skip
    assert [line.split()[0] for line in out.splitlines()[:5]] == ["case", "LSTM", "LSTM", "LSTM", "mut1"]
    assert "\x1b" not in out
    assert "of 2 bars are met." in out
    assert cli.run(["bench", "--markdown", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| | size | beside | Carrousel ms | peer ms | times as fast |"
    assert [line.split("|")[1].strip() for line in lines[4 : lines.index("", 4)]] == [
        "LSTM, train", "LSTM, train", "LSTM, infer", "1 other cell, train",
    ]  # fmt: skip
    assert lines[-3:-1] == ["| cell | ms | loop |", "|---|--:|--:|"]
    assert lines[-1].startswith("| mut1 | ")


def test_a_contender_that_is_wrong_gives_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from carrousel.bench import run

    measured = run.measure
    monkeypatch.setattr(run, "measure", lambda *given: replace(measured(*given), peer_error=0.01))  # pyright: ignore
    assert cli.run(["bench", "--cases", "infer", "--cells", "none", "--peers", "torch", *QUICK]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "torch is off by a part of 1.0e-02 from float64 in LSTM, infer, B2 H5 T4."


def test_a_peer_that_fails_does_not_end_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_workload: object) -> None:
        raise RuntimeError("no room\n at all")

    monkeypatch.setattr("carrousel.bench.peers.torch_nn.padded", failing)
    assert cli.run(["bench", "--cases", "train", "--cells", "none", "--peers", "torch,loop", *QUICK]) == 1
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[:6] for line in out[1:2]] == [["LSTM", "train", "2", "5", "4", "loop"]]
    assert out[-1] == "LSTM train B2 H5 T4 beside torch could not be measured: RuntimeError: no room at all."


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--cases", "gru"],
            "bench: no case has 'gru' in it, expected a part of one of: LSTM train B2 H5 T4; LSTM infer B2 H5 T4. Choose one "
            "of these, all or none.",
        ),
        (["--cells", "lsmt"], "bench: unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells"),
        (
            ["--cases", "infer", "--cells", "none", "--peers", "loop,compile", "--threads", "1"],
            "bench: none of 1 cases can be run by loop, compile, expected at least one. Choose other cases, cells or peers.",
        ),
        (["--markdown", "nowhere.json"], "bench: nowhere.json cannot be read (No such file or directory), expected a file that "
         "--json wrote. Check the path."),
    ],
)  # fmt: skip
def test_wrong_input_is_answered_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["bench", *arguments]) == 2
    assert capsys.readouterr() == ("", f"carrousel: {message}\n")


@pytest.mark.tiny
@pytest.mark.parametrize(("subcommand", "policy"), [("bench", None), ("train", "passive")])
def test_the_benchmark_leaves_the_threads_as_a_users_program_has_them(
    subcommand: str, policy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    program = "import os, carrousel.cli\nprint(os.environ.get('OMP_WAIT_POLICY'))"
    run = subprocess.run([sys.executable, "-c", program, subcommand], capture_output=True, text=True, check=True)
    assert run.stdout == f"{policy}\n"


@pytest.mark.tiny
def test_rows_written_by_the_command_are_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    assert (
        cli.run(["bench", "--cases", "infer", "--cells", "none", "--peers", "torch", "--json", str(path), *QUICK]) == 0
    )
    (row,) = read_rows(path)
    assert (row.first_call_s, row.rounds, row.threads, row.ours_tape_bytes) == (None, 2, 1, None)
