"""Run folders side by side: which there are, how far they came, what they found, and in which settings they differ."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from carrousel.errors import ConfigError, DataError, nearest
from carrousel.train.run_record import Metrics, is_run, read_not_finite, read_settings, read_summary, sort_metrics

TAIL = 1 << 18  # bytes at the end of metrics.jsonl in which an unfinished run's last figures are looked for

State = Literal["finished", "unfinished", "not finite", "damaged"]


@dataclass(frozen=True)
class RunSummary:
    """One run of a list.

    Attributes:
        path: of its folder.
        state: unfinished while it trains or where it was stopped; not finite where the loss of its next update or its gradient was
            not; damaged where a file cannot be read.
        kind, source: of the model and of the data; empty where unknown.
        figures: on held-out data: of the kept weights, or the last ones of an unfinished run.
        monitor: the figure that said which weights are kept; empty before the run is finished.
        is_higher_better: whether more of it is better.
        updates, seconds, parameters: 0 where unknown.
        note: what is damaged, or which update was not finite, or nothing.
        settings: all of them, such as {"train.updates": 500}.
    """

    path: Path
    state: State
    kind: str = ""
    source: str = ""
    figures: Mapping[str, float] = field(default_factory=dict[str, float])
    monitor: str = ""
    is_higher_better: bool = False
    updates: int = 0
    seconds: float = 0.0
    parameters: int = 0
    note: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


def runs_in(folder: Path, where: str = "runs") -> list[RunSummary]:
    """The runs in a folder and below it, by name; a run folder itself is a list of one.

    Raises:
        DataError: the folder does not exist, or is none.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{where}: {folder} {what}, expected a folder with runs. carrousel train makes them in runs.")
    return [summary_of(path) for path in _run_folders(folder)]


def summary_of(path: Path) -> RunSummary:
    """What is known of one run folder, whatever its state."""
    faults: list[str] = []
    nested = read_settings(path, faults)
    summary = read_summary(path, faults)
    settings = flat(nested)
    kind = str(nested.get("kind", ""))
    if summary is None:
        lines = _last_metrics(path, faults)
        steps, last = lines.steps, (lines.evaluations or [{}])[-1]
        updates = max([int(line.get("update", 0)) for line in (*steps[-1:], last)])
        end = _end(read_not_finite(path, faults), updates)
        return RunSummary(
            path=path,
            state="damaged" if faults else "not finite" if end else "unfinished",
            kind=kind,
            figures=last.get("figures", {}),
            updates=updates,
            seconds=float((steps or [{}])[-1].get("seconds", 0.0)),
            note="; ".join(faults) or end,
            settings=settings,
        )
    return RunSummary(
        path=path,
        state="damaged" if faults else "finished",
        kind=summary["kind"],
        source=summary["source"],
        figures=summary["figures"],
        monitor=summary["monitor"],
        is_higher_better=bool(summary.get("is_higher_better")),
        updates=summary["updates"],
        seconds=float(summary.get("seconds", 0.0)),
        parameters=int(summary.get("parameters", 0)),
        note="; ".join(faults),
        settings=settings,
    )


def sort_runs(runs: Sequence[RunSummary], figure: str, where: str = "runs") -> list[RunSummary]:
    """The runs by a figure, the best first where runs were trained for it, else the smallest first; those without it come last.

    Args:
        figure: its name; a minus sign in front turns the order round.

    Raises:
        ConfigError: no run has such a figure.
    """
    name = figure.removeprefix("-")
    known = sorted({known for run in runs for known in run.figures})
    if name not in known:
        those = f"Figures: {', '.join(known)}." if known else "None of them has any."
        raise ConfigError(
            f"{where}: no run has a figure {name!r}, expected one of theirs.{nearest(name, known)} {those}"
        )
    is_falling = any(run.monitor == name and run.is_higher_better for run in runs) != figure.startswith("-")
    having = [run for run in runs if name in run.figures]
    without = [run for run in runs if name not in run.figures]
    return sorted(having, key=lambda run: run.figures[name], reverse=is_falling) + without


def compare(runs: Sequence[RunSummary]) -> dict[str, list[Any]]:
    """The settings in which runs differ: name -> a value for each run, None where it has no such setting.

    >>> compare([RunSummary(Path("a"), "finished", settings={"train.seed": 0}),
    ...          RunSummary(Path("b"), "finished", settings={"train.seed": 1})])
    {'train.seed': [0, 1]}
    """
    names = {name: None for run in runs for name in run.settings}  # in the order of their files
    found = {name: [run.settings.get(name) for run in runs] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in sections as one mapping of `section.name`."""
    return {
        f"{section}.{name}": value
        for section, values in nested.items()
        if isinstance(values, dict)
        for name, value in cast(dict[str, Any], values).items()
    }


def finite(value: Any) -> Any:
    """The same nested values as JSON can hold them: numbers that are not finite become text.

    >>> finite({"clip": math.inf, "sizes": [1]})
    {'clip': 'inf', 'sizes': [1]}
    """
    if isinstance(value, dict):
        return {name: finite(part) for name, part in cast(dict[str, Any], value).items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in cast(list[Any], value)]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _end(report: Mapping[str, Any] | None, updates: int) -> str:
    """What was not finite after so many updates; nothing where the report is of an earlier attempt, or there is none."""
    if report is None or report["update"] != updates + 1:
        return ""
    return f"at update {updates + 1:,}: loss {report['loss']}, gradient norm {report['gradient_norm']}"


def _run_folders(folder: Path) -> Iterator[Path]:
    """Every run folder at or below a folder, by name; nothing is looked for inside a run, or in hidden folders."""
    for here, below, _ in os.walk(folder):
        if is_run(Path(here)):
            yield Path(here)
            below.clear()
        below[:] = sorted(name for name in below if not name.startswith("."))


def _last_metrics(path: Path, faults: list[str]) -> Metrics:
    """The last lines of metrics.jsonl; long runs would take long to read whole."""
    try:
        with (path / "metrics.jsonl").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return Metrics([], [], [])
    except OSError as error:
        faults.append(f"metrics.jsonl cannot be read ({error.strerror})")
        return Metrics([], [], [])
    return sort_metrics(lines[1:], faults, None) if size > TAIL else sort_metrics(lines, faults)
