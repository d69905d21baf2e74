"""A lowering held against the definition on this machine, in a process of its own: a crash takes only that along."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from signal import Signals
from typing import Any, cast

from carrousel.engine.doctor.probes import PROBES

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
"""Largest error as a part of the largest element, against the definition in float64. Sound code stays a factor of ten below."""

TIMEOUT_S = 900
SHAPES = {1: (6, 7, False), 2: (12, 64, True)}
"""Threads -> steps, sequences, and whether they have lengths and resets; 64 sequences are worth a second thread."""


@dataclass(frozen=True)
class Check:
    """One probe in one number format on a number of threads.

    Args:
        probe: name.
        dtype: "float32" or "float64".
        threads: 1 or 2; 0 for what is no check of a probe.
    """

    probe: str
    dtype: str
    threads: int

    def __str__(self) -> str:
        if not self.threads:
            return self.probe
        return f"{self.probe}, {self.dtype}, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(frozen=True)
class Result:
    """What came of a check.

    Args:
        check: which.
        error: largest, as a part of the largest element; None when there was no result to compare.
        problem: empty when it passed.
    """

    check: Check
    error: float | None
    problem: str


def run_checks(place: str, probes: Iterable[str] = PROBES) -> list[Result]:
    """The results of all checks of a lowering; after a crash, those up to it.

    Args:
        place: "module:name" of a Lowering, which the child process imports.
        probes: names of the steps to check.
    """
    command = [sys.executable, "-m", f"{__package__}.child", place, *probes]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        out, ending = child.stdout, _ending(child.returncode, child.stderr)
    except subprocess.TimeoutExpired as expired:
        out, ending = _text(expired.stdout), f"did not end within {TIMEOUT_S} s"
    started, results = Check("before any check", "", 0), list[Result]()
    for line in out.splitlines():
        value = cast("dict[str, Any]", json.loads(line))
        started = Check(**value["check"])
        if "problem" in value:
            results.append(Result(started, value["error"], value["problem"]))
    if ending:
        results.append(Result(started, None, ending))
    return results


def summary(results: Sequence[Result]) -> str:
    """The reason to switch a lowering off: its first problem; empty when there is none."""
    failed = [result for result in results if result.problem]
    if not failed:
        return ""
    return f"{failed[0].problem} ({failed[0].check})"


def _ending(code: int, stderr: str) -> str:
    if code == 0:
        return ""
    if code < 0:
        return f"ended the process with {Signals(-code).name}"
    return f"ended the process with exit code {code}: {(stderr.strip().splitlines() or [''])[-1]}"


def _text(output: object) -> str:
    whole = output.decode() if isinstance(output, bytes) else str(output or "")
    return whole[: whole.rfind("\n") + 1]
