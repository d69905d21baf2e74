"""Runs as a table, or one below the other where the terminal is too narrow for it."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from carrousel.train.figures import label, shown
from carrousel.train.progress import clock
from carrousel.train.runs import RunSummary, compare

RIGHT = ("updates", "time", "parameters")
MOST_FIGURES = 6  # columns of them


def print_runs(console: Console, runs: Sequence[RunSummary]) -> None:
    """A line for each run; in a narrow terminal a few lines for each."""
    rows = [_row(run) for run in runs]
    figures = list({label(name): None for run in runs for name in list(run.figures)[:MOST_FIGURES]})
    order = ["run", "state", "kind", *figures, "updates", "time", "parameters", "data", "note"]
    names = [name for name in order if any(name in row for row in rows)]
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in RIGHT or name in figures else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(row.get(name, "")) for name in names))
    _print_fitting(console, table, rows)


def print_differences(console: Console, runs: Sequence[RunSummary]) -> None:
    """The settings in which the runs differ, a line for each setting."""
    differing = compare(runs)
    if not differing:
        console.print("All settings are the same.")
        return
    rows = [
        {"setting": name} | {run.path.name: _value(value) for run, value in zip(runs, values, strict=True)}
        for name, values in differing.items()
    ]
    table = Table(box=None, pad_edge=False)
    for name in ("setting", *(run.path.name for run in runs)):
        table.add_column(Text(name), no_wrap=True)
    for name, values in differing.items():
        table.add_row(Text(name), *(Text(_value(value)) for value in values))
    _print_fitting(console, table, rows)


def _row(run: RunSummary) -> dict[str, str]:
    """What there is to say of a run, by column; what is unknown is left out."""
    row = {"run": run.path.name, "state": run.state, "kind": run.kind}
    row |= {label(name): shown(run.figures[name]) for name in list(run.figures)[:MOST_FIGURES]}
    row |= {"updates": f"{run.updates:,}", "time": clock(run.seconds)}
    row |= {"parameters": f"{run.parameters:,}"} if run.parameters else {}
    row |= {"data": run.source} if run.source else {}
    return row | ({"note": run.note} if run.note else {})


def _print_fitting(console: Console, table: Table, rows: Sequence[dict[str, str]]) -> None:
    """The table where it fits or nobody looks at it, else its rows as blocks."""
    needed = Console(width=10_000).measure(table).maximum
    if not console.is_terminal or needed <= console.width:
        width = max(needed, console.width) if not console.is_terminal else console.width
        Console(file=console.file, highlight=False, width=width, no_color=console.no_color).print(table)
        return
    for row in rows:
        (_, title), *facts = row.items()
        console.print(Text(title, style="bold"))
        told = ", ".join(
            value if name in ("state", "kind", "data", "note") else f"{name} {value}" for name, value in facts
        )
        console.print(Padding(Text(told), (0, 0, 0, 2)))


def _value(value: Any) -> str:
    return "" if value is None else str(value)
