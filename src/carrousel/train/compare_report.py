"""What a comparison prints: a table, what its words mean, and what its numbers say."""

from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table

from carrousel.train.compare import CRITERION, NUM_TEST_STRINGS, Comparison, Run
from carrousel.train.compare_findings import findings, listed, memoryless, share

COLUMNS = ("cell", "parameters", "steps legal", "strings right", "until learned", "seconds")
UNDER_QUARTILES = " " * len(" (.500–.500)")
WITHOUT = "no memory"
MEANING = (
    f"Median (quartiles) of the seeds. Learned: at least {CRITERION:.0%} of {NUM_TEST_STRINGS} test strings wholly right; the "
    f"strings until then are the median of the seeds that got there. {WITHOUT.capitalize()}: the best that the last three "
    "symbols allow."
)


def report(comparison: Comparison, runs: Sequence[Run]) -> RenderableType:
    """The table, one row a cell and one for a predictor without memory, and what is to be said of it."""
    remarks = (" ".join(findings(comparison, runs)), MEANING, _starts(comparison))
    return Group(_table(comparison, runs), *(Padding(remark, (1, 0, 0, 0)) for remark in remarks))


def _table(comparison: Comparison, runs: Sequence[Run]) -> Table:
    length = f" of {comparison.min_length} symbols or more" if comparison.min_length else ""
    title = f"{comparison.task}: {comparison.budget:,} strings{length}, {comparison.hidden_size} units, {comparison.seeds} seeds"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column(COLUMNS[0], overflow="fold")
    for name in COLUMNS[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for contender in comparison.contenders:
        table.add_row(*_row([run for run in runs if run.cell == contender.label]))
    window = memoryless(comparison)
    shares = [share(value) + UNDER_QUARTILES for value in (window.steps_legal, window.strings_right)]
    table.add_row(WITHOUT, "", *shares, "", "", style="dim")
    return table


def _row(runs: Sequence[Run]) -> tuple[str, ...]:
    reached = [run.sequences for run in runs if run.sequences is not None]
    until = f"{np.median(reached):,.0f} " if reached else ""
    return (
        runs[0].cell,
        f"{runs[0].parameters:,}",
        _quartiles(run.steps_legal for run in runs),
        _quartiles(run.strings_right for run in runs),
        f"{until}({len(reached)}/{len(runs)})",
        f"{np.median([run.seconds for run in runs]):.1f}",
    )


def _quartiles(values: Iterable[float]) -> str:
    low, middle, high = (share(float(q)) for q in np.quantile(list(values), (0.25, 0.5, 0.75)))
    return f"{middle} ({low}–{high})"


def _starts(comparison: Comparison) -> str:
    by_start: dict[str, list[str]] = {}
    for contender in comparison.contenders:
        by_start.setdefault(contender.describe(), []).append(contender.label)
    return "Initialisation: " + "; ".join(f"{listed(labels)}: {start}" for start, labels in by_start.items()) + "."
