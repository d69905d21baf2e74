"""The doctor: sound machine code passes, unsound code is found and no longer used, a crash takes only its own process along."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from engine.checks import user_cell
from engine.recorders import StandIn
from jaxtyping import Float
from torch import Tensor

from carrousel import Recurrent, SlowPathWarning
from carrousel.engine import compiled, verdicts
from carrousel.engine.doctor import child, examine, lowerings, self_test
from carrousel.engine.doctor.lowerings import LLVM, LOWERINGS, SHARED, STREAM
from carrousel.engine.doctor.probes import PROBES, program
from carrousel.engine.doctor.self_test import Check, Result, summary
from carrousel.engine.stream import plan_step
from carrousel.engine.threads import Deal

TESTS = Path(__file__).parent.parent


class State(NamedTuple):
    h: Float[Tensor, " H"]


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    R: Float[Tensor, "H H"]


def step(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    h_t = torch.tanh(p.W @ x_t + p.R @ s.h)
    return h_t, State(h_t)


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Child processes of these tests compile the same loops once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder without verdicts, and the tests' own modules within reach of child processes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(shared_cache))
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    for note in (shared_cache / "carrousel").glob("*.json"):
        note.unlink()
    verdicts.forget_what_was_read()
    return shared_cache / "carrousel"


@pytest.mark.tiny
def test_the_probes_use_every_operation_that_a_lowering_claims() -> None:
    plans = [program(name).plan for name in PROBES]
    used = {node.op for plan in plans for graph in (plan.loop, plan.backward) for node in graph.computed}
    assert used == LLVM.claims
    used = {node.op for name in PROBES for node in plan_step(program(name).graph).loop.computed}
    assert used == STREAM.claims


def test_sound_machine_code_passes_in_both_formats_on_one_thread_and_two(folder: Path) -> None:
    report = examine(LOWERINGS, ["gates"])
    assert {d.lowering: [str(result.check) for result in d.results] for d in report.diagnoses} == {
        "llvm": [
            "gates, float32, 1 thread",
            "gates, float32, 2 threads",
            "gates, float64, 1 thread",
            "gates, float64, 2 threads",
        ],
        "llvm_units": ["gates, float32, 2 threads", "gates, float64, 2 threads"],
        "stream": ["gates, float32, 1 thread", "gates, float64, 1 thread"],
    }
    assert report.problems == []
    assert [verdicts.switched_off(d.lowering) for d in report.diagnoses] == ["", "", ""]


def test_shared_units_are_tested_with_units_shared_and_left_alone_where_they_are_unsound(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[int] = []
    meets: list[bool] = []
    choose = compiled.deal

    def seen(*given: Any, can_meet: bool) -> Deal:
        chosen = choose(*given, can_meet=can_meet)
        parts.append(chosen.parts)
        meets.append(can_meet)
        return chosen

    monkeypatch.setattr(compiled, "deal", seen)
    results = [result for result in child.checks(SHARED, ["gates"]) if isinstance(result, Result)]
    assert [result.problem for result in results] == ["", ""]
    assert parts == [2] * 6  # without gradient, forward, backward; in two formats
    verdicts.remember("llvm_units", "y is wrong")
    Recurrent("lstm", 3, 5)(torch.ones(2, 1, 3))
    assert not meets[-1]


def test_checks_on_two_threads_cut_the_batch_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []
    call = compiled.call_together

    def counted(calls: Sequence[Any]) -> None:
        numbers.append(len(calls))
        call(calls)

    monkeypatch.setattr(compiled, "call_together", counted)
    chosen = replace(LLVM, threads=(2,))
    results = [result for result in child.checks(chosen, ["moves"]) if isinstance(result, Result)]
    assert [result.problem for result in results] == ["", ""]
    assert numbers == [2] * 6  # without gradient, forward, backward; in two formats


@pytest.mark.parametrize(
    ("name", "failed", "reason"),
    [
        ("WRONG", 4, r"[\w ]+ is wrong by a part of 0\.00\d+, 1e-05 is allowed \(gates, float32, 1 thread\)"),
        ("NOT_A_NUMBER", 4, r"y without gradient is not finite \(gates, float32, 1 thread\)"),
        ("RAISING", 4, r"raised RuntimeError: no room for gates at all \(gates, float32, 1 thread\)"),
        ("CRASHING", 1, r"ended the process with SIGSEGV \(gates, float64, 1 thread\)"),
    ],
)
def test_unsound_machine_code_is_switched_off(folder: Path, name: str, failed: int, reason: str) -> None:
    (diagnosis,) = examine([f"engine.sabotage:{name}"], ["gates"]).diagnoses
    assert re.fullmatch(reason, diagnosis.reason)
    assert sum(bool(result.problem) for result in diagnosis.results) == failed
    assert verdicts.switched_off("llvm") == (
        f"llvm failed its self-test on this machine: {diagnosis.reason}; see `carrousel doctor`"
    )


def test_replays_are_tried_on_the_gpu_where_there_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = StandIn()

    def yes() -> bool:
        return True

    monkeypatch.setattr(torch.cuda, "is_available", yes)
    assert lowerings.lowerings_here() == (*LOWERINGS, "carrousel.engine.doctor.lowerings:CUDA_GRAPH")
    monkeypatch.setattr(lowerings, "_GPU", "cpu")
    monkeypatch.setattr(lowerings, "RECORDERS", {"cpu": recorder})
    results = [r for r in child.checks(lowerings.CUDA_GRAPH, ["gates", "heads"]) if isinstance(r, Result)]
    assert [(str(r.check), r.problem) for r in results] == [
        (f"{name}, {dtype}, 1 thread", "") for name in ("gates", "heads") for dtype in ("float32", "float64")
    ]
    assert recorder.events.count("replay") == 12  # without gradient, forward, backward


def test_a_lowering_that_cannot_be_imported_is_a_problem_too(folder: Path) -> None:
    results = self_test.run_checks("engine.sabotage:NOBODY", ["gates"])
    assert summary(results) == (
        "ended the process with exit code 1: AttributeError: module 'engine.sabotage' has no attribute 'NOBODY' "
        "(before any check)"
    )


@pytest.mark.tiny
def test_a_self_test_that_does_not_end_is_a_problem_of_the_check_it_was_at(monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps({"check": {"probe": "gates", "dtype": "float32", "threads": 2}})

    def endless(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 1, output=f"{line}\n{line[:9]}".encode())

    monkeypatch.setattr(self_test.subprocess, "run", endless)
    (result,) = self_test.run_checks("engine.sabotage:WRONG", ["gates"])
    assert (result.check, result.problem) == (Check("gates", "float32", 2), "did not end within 900 s")


def run_once(name: str) -> Tensor:
    torch.manual_seed(0)
    layer = Recurrent(user_cell(name, step, Params, State), 3, 5)
    return layer(torch.ones(4, 2, 3))[0]


@pytest.mark.tiny
def test_the_engine_goes_by_the_definition_where_its_machine_code_is_unsound(folder: Path) -> None:
    expected = run_once("before_the_verdict")
    assert verdicts.remember("llvm", "y is wrong")
    message = (
        "after_the_verdict: runs node by node, which is slow: llvm failed its self-test on this machine: y is wrong; see "
        "`carrousel doctor`."
    )
    with pytest.warns(SlowPathWarning, match=f"^{re.escape(message)}$"):
        found = run_once("after_the_verdict")
    torch.testing.assert_close(found, expected)
    assert verdicts.remember("llvm", "")
    run_once("after_a_better_verdict")


@pytest.mark.tiny
def test_a_stream_goes_by_the_definition_where_its_machine_code_is_unsound(folder: Path) -> None:
    assert verdicts.remember("stream", "y is wrong")
    layer = Recurrent(user_cell("streamed_after_the_verdict", step, Params, State), 3, 5)
    with pytest.warns(
        SlowPathWarning, match=r": stream failed its self-test on this machine: y is wrong; see `carrousel "
    ):
        y_t = layer.stream().step(torch.ones(1, 3))
    torch.testing.assert_close(y_t, layer(torch.ones(1, 1, 3))[0][0])


@pytest.mark.tiny
@pytest.mark.parametrize(
    "content",
    [
        '{"lowering": "llvm", "reason": "y is wrong", "sources": "of another version"}',
        '["llvm"]',
        '{"lowering": "llvm"}',
        "{",
    ],
    ids=["other sources", "a list", "no reason", "cut off"],
)
def test_a_note_that_is_damaged_or_of_other_sources_does_not_count(folder: Path, content: str) -> None:
    verdicts.remember("llvm", "y is wrong")
    (path,) = folder.glob("*.json")
    path.write_text(content)
    verdicts.forget_what_was_read()
    assert verdicts.switched_off("llvm") == ""


@pytest.mark.tiny
def test_a_note_of_another_machine_does_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts.remember("llvm", "y is wrong")
    monkeypatch.setattr(verdicts, "target", lambda: ("riscv64", "another", ""))
    verdicts.forget_what_was_read()
    assert verdicts.switched_off("llvm") == ""


@pytest.mark.tiny
def test_a_folder_that_cannot_be_written_is_said_and_keeps_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not verdicts.remember("llvm", "y is wrong")

    def nothing(*_: object) -> list[Result]:
        return []

    monkeypatch.setattr("carrousel.engine.doctor.run_checks", nothing)
    assert examine().problems == [
        f"{tmp_path}/file/carrousel cannot be written: every start compiles anew. Set XDG_CACHE_HOME to a folder that can."
    ]


def test_the_child_says_what_it_does_before_it_does_it(folder: Path) -> None:
    command = [sys.executable, "-m", "carrousel.engine.doctor.child", "engine.sabotage:CRASHING", "gates"]
    out = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    assert ["problem" in json.loads(line) for line in out] == [False, True, False, True, False]
