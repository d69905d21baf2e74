"""`carrousel doctor` as a user meets it; what it finds out is tested in tests/engine/test_doctor.py."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from carrousel import cli
from carrousel.engine import verdicts
from carrousel.engine.doctor.self_test import Check, Result

SOUND = [Result(Check("gates", dtype, threads), 2e-7, "") for dtype in ("float32", "float64") for threads in (1, 2)]
WRONG = Result(Check("rows", "float32", 2), 0.001, "y is wrong by a part of 0.001, 1e-05 is allowed")


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Result]], Path]:
    """Gives the doctor these results instead of running the checks; its verdicts go to a folder of the test's own."""

    def use(results: list[Result]) -> Path:
        def run_checks(*_: object) -> list[Result]:
            return results

        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr("carrousel.engine.doctor.run_checks", run_checks)
        monkeypatch.setattr(
            "carrousel.engine.doctor.lowerings_here", lambda: ("carrousel.engine.doctor.lowerings:LLVM",)
        )
        return tmp_path / "carrousel"

    return use


@pytest.mark.tiny
def test_all_is_well_where_every_check_passes(
    found: Callable[[list[Result]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = found(SOUND)
    assert cli.run(["doctor"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert [line.split()[0] for line in lines[:6]] == [
        "machine", "features", "vectors", "threads", "versions", "cache",
    ]  # fmt: skip
    assert re.fullmatch(rf"cache      {re.escape(str(folder))}: can be written; \d+ files, \d+\.\d MB", lines[5])
    assert lines[6:] == [
        "",
        "llvm       used for float32 and float64 on the CPU, forward and backward: 4 of 4 checks agree with interpret",
        "           largest error 2.0e-07 in float32, 2.0e-07 in float64",
        "cuda_graph not tested: there is no CUDA device here",
        "interpret  used for everything else: the definition, step by step",
        "",
        "All is well.",
    ]


@pytest.mark.tiny
def test_a_failed_check_is_shown_and_gives_exit_code_1(
    found: Callable[[list[Result]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found([*SOUND, WRONG])
    assert cli.run(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines()[7:] == [
        "llvm       switched off: 4 of 5 checks agree with interpret",
        "           largest error 1.0e-03 in float32, 2.0e-07 in float64",
        "           failed: rows, float32, 2 threads: y is wrong by a part of 0.001, 1e-05 is allowed",
        "cuda_graph not tested: there is no CUDA device here",
        "interpret  used for everything else: the definition, step by step",
        "",
        "llvm is switched off: y is wrong by a part of 0.001, 1e-05 is allowed (rows, float32, 2 threads).",
    ]
    assert "y is wrong by a part of 0.001" in verdicts.switched_off("llvm")


@pytest.mark.tiny
def test_the_same_as_one_object(found: Callable[[list[Result]], Path], capsys: pytest.CaptureFixture[str]) -> None:
    found([WRONG])
    assert cli.run(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    reason = "y is wrong by a part of 0.001, 1e-05 is allowed (rows, float32, 2 threads)"
    assert report["lowerings"] == [
        {
            "name": "llvm",
            "is_used": False,
            "serves": "float32 and float64 on the CPU, forward and backward",
            "reason": reason,
            "checks": 1,
            "failed": [f"rows, float32, 2 threads: {WRONG.problem}"],
            "largest_error": {"float32": 0.001},
        }
    ]
    assert report["problems"] == [f"llvm is switched off: {reason}."]
    assert {"torch", "llvmlite", "carrousel"} < report["machine"]["versions"].keys()
