"""A comparison on a console, from its first line to its report."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.console import Console

from carrousel.errors import ConfigError
from carrousel.files import write_atomically
from carrousel.train.compare import Comparison, Run, compare
from carrousel.train.compare_progress import CompareProgress
from carrousel.train.compare_report import report
from carrousel.train.learning_curves import draw_learning_curves
from carrousel.train.run_folder import RunFolder, check_is_new, default_path
from carrousel.train.workers import num_cores

RESULTS = "compare.json"


def compare_on(console: Console, comparison: Comparison, path: Path | None = None, workers: int | None = None) -> bool:
    """Make all runs, then print and draw what came out; false when Ctrl-C stopped it, with what there is printed.

    The run folder appears when the first run is done, and holds all the finished ones from then on.

    Args:
        path: of the run folder; runs/compare_<task>_<date> when left out.
        workers: runs at a time; as many as there are cores when left out.

    Raises:
        ConfigError: the run folder exists, or the number of workers is below 1.
    """
    path = path or default_path(f"compare_{comparison.task}", datetime.now())
    check_is_new(path, "compare")
    num_workers = _num_workers(comparison, workers)
    runs: list[Run] = []
    try:
        with closing(compare(comparison, num_workers)) as events, CompareProgress(console, comparison) as progress:
            for event in events:
                if isinstance(event, Run):
                    runs.append(event)
                    _keep(comparison, runs, path)
                progress.show(event)
    except KeyboardInterrupt:
        left = f"{path / RESULTS} has those that were done" if runs else "none was done"
        console.print(f"Stopped after {len(runs)} of {comparison.num_runs} runs; {left}.", soft_wrap=True, markup=False)
        return False
    console.print(report(comparison, runs))
    if no_curves := draw_learning_curves(comparison, runs, path / "learning_curves.png"):
        console.print(no_curves, soft_wrap=True, markup=False)
    console.print(f"\nRun folder: {path}", soft_wrap=True, markup=False)
    return True


def _num_workers(comparison: Comparison, workers: int | None) -> int:
    if workers is not None and workers < 1:
        raise ConfigError(f"compare: workers is {workers}, expected at least 1. Choose a larger number.")
    return min(workers or num_cores(), comparison.num_runs)


def _keep(comparison: Comparison, runs: Sequence[Run], path: Path) -> None:
    """Write the finished runs, one a line, in the order of cells and seeds."""
    order = [contender.label for contender in comparison.contenders]
    ordered = sorted(runs, key=lambda run: (order.index(run.cell), run.seed))
    text = "[\n" + ",\n".join(json.dumps(asdict(run)) for run in ordered) + "\n]\n"
    if path.exists() and len(runs) > 1:
        write_atomically(path / RESULTS, text.encode())
    else:
        RunFolder.create(path, {RESULTS: text}, "compare")
