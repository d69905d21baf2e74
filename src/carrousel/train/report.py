"""What a finished run prints."""

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from carrousel.train.figures import THIS_MODEL, label, shown
from carrousel.train.kind import Figures
from carrousel.train.progress import clock
from carrousel.train.summary import Summary

WITH_WORDS = 2
"""Figures beside which there is room to say what a model is."""
SIDE_BY_SIDE = 5
"""Figures that stand side by side, a row a model; more of them have a row each."""

Row = tuple[str, Figures, str]
"""Name of a model, its figures, what it is."""


def report(summary: Summary, sample: str) -> RenderableType:
    """The held-out figures beside the baselines', from the worst to the best, and a sample where there is one."""
    worst = float("-inf") if summary.is_higher_better else float("inf")

    def rank(row: Row) -> float:
        figure = row[1].get(summary.monitor, worst)
        return figure if summary.is_higher_better else -figure

    about = f"{summary.parameters:,} parameters, trained for {clock(summary.seconds)}"
    baselines = [(name, found["figures"], found["about"]) for name, found in summary.baselines.items()]
    rows: list[Row] = sorted([*baselines, (THIS_MODEL, summary.figures, about)], key=rank)
    many = len(summary.figures) > 1
    title = f"Held-out {'data' if many else label(summary.monitor)}: {summary.source}"
    table = Table(title=title, title_justify="left", title_style="bold")
    (_figures_down if len(summary.figures) > SIDE_BY_SIDE else _models_down)(table, summary, rows)
    below: list[RenderableType] = []
    if len(summary.figures) > WITH_WORDS:
        below += [Text(f"{name}: {meaning}") for name, _, meaning in rows]
    if sample:
        below += [Rule("a sample", align="left"), Text(sample), Rule()]
    return Group(table, *below)


def _models_down(table: Table, summary: Summary, rows: list[Row]) -> None:
    has_words = len(summary.figures) <= WITH_WORDS
    table.add_column("model")
    for name in summary.figures:
        table.add_column(label(name), justify="right", no_wrap=True, overflow="ellipsis", min_width=5)
    if has_words:
        table.add_column("what it is", overflow="fold")
    for name, figures, meaning in rows:
        cells = [_cell(figures, column) for column in summary.figures]
        table.add_row(name, *cells, *([meaning] if has_words else []), style="bold" if name == THIS_MODEL else "")


def _figures_down(table: Table, summary: Summary, rows: list[Row]) -> None:
    table.add_column("figure")
    for name, _, _ in rows:
        table.add_column(name, justify="right", style="bold" if name == THIS_MODEL else "")
    for figure in summary.figures:
        table.add_row(label(figure), *(_cell(figures, figure) for _, figures, _ in rows))


def _cell(figures: Figures, name: str) -> str:
    return shown(figures[name]) if name in figures else ""


def to_text(shown: RenderableType, width: int = 100) -> str:
    """The same without colours, for log.txt."""
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()
