"""A study as a page, and its best settings as a file to train with."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from carrousel.files import write_atomically
from carrousel.train.charts import Chart, Line, Point
from carrousel.train.figures import label, shown
from carrousel.train.progress import clock
from carrousel.train.report_page import footer, render
from carrousel.train.search_settings import Dimension
from carrousel.train.study import without_password
from carrousel.train.tune import Tuning
from carrousel.train.tune_findings import Findings, Found

MOST_ROWS = 30
MOST_FAULTS = 10


def write_study(tuning: Tuning, found: Findings, command: str) -> Path:
    """Write report.html, trials.json and best.yaml into the study's folder, and give the page's path.

    Args:
        command: that goes on with the study.

    Raises:
        DataError: the folder cannot be written to.
    """
    folder = tuning.folder
    rows = [json.dumps(asdict(trial), ensure_ascii=False) for trial in found.trials]
    write_atomically(folder / "trials.json", ("[\n" + ",\n".join(rows) + "\n]\n").encode())
    if found.best is not None:
        settings = tuning.search.settings_of(found.best.values, "tune")
        write_atomically(folder / "best.yaml", settings.to_yaml().encode())
    write_atomically(folder / "report.html", page(tuning, found, command).encode())
    return folder / "report.html"


def page(tuning: Tuning, found: Findings, command: str) -> str:
    """The page about a study."""
    search, monitor = tuning.search, label(tuning.monitor)
    whole = sum(trial.state == "finished" for trial in found.trials)
    early = sum(trial.state == "ended early" for trial in found.trials)
    best = found.best
    facts = [("trials", f"{len(found.trials):,}"), ("finished", f"{whole:,}"), ("ended early", f"{early:,}")]
    if best is not None and best.figure is not None:
        facts = [(f"best {monitor}", shown(best.figure)), ("by trial", str(best.number)), *facts]
    failed = [trial for trial in found.trials if trial.fault]
    ranked = _ranked(found.trials, tuning.is_higher_better)
    return render(
        "study.html",
        {
            "kind": f"A search of Carrousel in {tuning.folder.absolute()}",
            "heading": f"{tuning.name}: settings of a {search.kind.name}",
            "about": f"Sampler {search.sampler}, pruner {search.how.pruner}, kept in {without_password(tuning.storage)}.",
            "faults": [f"{search.how.preset}: a {search.kind.name} has no {name}; it was left out." for name in search.left_out],
            "facts": facts,
            "importance": _importance(found, tuning),
            "method": found.method,
            "charts": list(_charts(tuning, found)),
            "monitor": monitor,
            "names": list(search.space),
            "rows": [_row(trial, list(search.space), best) for trial in ranked[:MOST_ROWS]],
            "left_out": f"{len(ranked) - MOST_ROWS} more are in trials.json." if len(ranked) > MOST_ROWS else "",
            "failed": failed[:MOST_FAULTS],
            "command": command,
            "footer": footer(),
        },
    )  # fmt: skip


def _importance(found: Findings, tuning: Tuning) -> list[dict[str, Any]]:
    largest = max(found.importance.values(), default=0.0) or 1.0
    return [
        {"name": name, "share": f"{100 * share:.0f}", "length": round(100 * share / largest, 1),
         "about": tuning.search.space[name].describe() if name in tuning.search.space else ""}
        for name, share in found.importance.items()
    ]  # fmt: skip


def _charts(tuning: Tuning, found: Findings) -> Iterator[dict[str, str]]:
    """The figure over the trials, and over the values of each setting, the most important first."""
    with_figure = [trial for trial in found.trials if trial.figure is not None and math.isfinite(trial.figure)]
    whole = [trial for trial in with_figure if trial.state == "finished"]
    if not whole:
        return
    monitor = label(tuning.monitor)
    dots = [(float(trial.number), trial.figure or 0.0) for trial in with_figure]
    line = Line(monitor, list(_best_so_far(whole, tuning.is_higher_better)))
    svg = Chart(line, x_label="trial", dots=dots).svg()
    yield {"title": f"{monitor} of each trial".capitalize(), "about": "line: the best so far", "svg": svg}
    space = tuning.search.space
    for name in sorted(space, key=lambda name: -found.importance.get(name, 0.0)):
        having = [trial for trial in whole if name in trial.values]
        if having:
            yield {
                "title": name,
                "about": f"{monitor} of the finished trials",
                "svg": _slice(name, space[name], having, monitor),
            }


def _slice(name: str, dimension: Dimension, trials: Sequence[Found], monitor: str) -> str:
    """The figure over the values of one setting."""
    if dimension.choices is not None:
        names = [str(choice) for choice in dimension.choices]
        dots = [(float(names.index(str(trial.values[name]))), trial.figure or 0.0) for trial in trials]
        return Chart(Line(monitor, []), x_label="", dots=dots, x_names=names).svg()
    dots = [(float(trial.values[name]), trial.figure or 0.0) for trial in trials]
    is_logarithmic = dimension.log and not dimension.from_one
    return Chart(Line(monitor, []), x_label="", dots=dots, is_x_logarithmic=is_logarithmic).svg()


def _best_so_far(trials: Sequence[Found], is_higher_better: bool) -> Iterator[Point]:
    best: float | None = None
    for trial in trials:
        figure = trial.figure or 0.0
        best = figure if best is None else max(best, figure) if is_higher_better else min(best, figure)
        yield float(trial.number), best


def _ranked(trials: Sequence[Found], is_higher_better: bool) -> list[Found]:
    """Finished trials, the best first, then those ended early."""
    having = [trial for trial in trials if trial.figure is not None and trial.state in ("finished", "ended early")]
    sign = -1 if is_higher_better else 1
    return sorted(having, key=lambda trial: (trial.state != "finished", sign * (trial.figure or 0.0)))


def _row(trial: Found, names: Sequence[str], best: Found | None) -> dict[str, Any]:
    cells = [value_text(trial.values[name]) if name in trial.values else "" for name in names]
    return {"number": trial.number, "state": trial.state, "figure": shown(trial.figure or 0.0), "cells": cells,
            "time": clock(trial.seconds), "is_best": best is not None and trial.number == best.number}  # fmt: skip


def value_text(value: Any) -> str:
    """A setting's value in a table.

    >>> value_text(0.00123456), value_text("lstm"), value_text(64)
    ('0.00123', 'lstm', '64')
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)
