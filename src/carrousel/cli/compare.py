"""`carrousel compare`: cells side by side on an exercise of the literature."""

from pathlib import Path
from typing import Annotated

import typer

from carrousel.train.interrupt import INTERRUPTED

TASK = "embedded-reber or reber."
CELLS = (
    "Names of cells, separated by commas. How a cell starts can be chosen: lstm:own, lstm:chrono=20, "
    "lstm:forget_bias=3:input_bias=-1:weights=1.5."
)


def compare(
    task: Annotated[str, typer.Argument(help=TASK, show_default=False)],
    cells: Annotated[str, typer.Option(help=CELLS)] = "srn,gru,lstm",
    seeds: Annotated[int, typer.Option(help="Runs of each cell; seed 0, 1, ... draws its strings and weights.")] = 5,
    budget: Annotated[int, typer.Option(help="Strings that each run learns from.")] = 32_000,
    min_length: Annotated[int, typer.Option(help="Symbols that each string has at least.")] = 0,
    hidden_size: Annotated[
        int | None, typer.Option(help="Units of each cell.", show_default="12; 24 with --min-length 10 or more")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time, each in its own process.", show_default="one a core")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Run folder to make. Without it: runs/compare_<task>_<date>.", show_default=False),
    ] = None,
) -> None:
    """Train cells on the same strings and show which of them learn the task, and after how many strings."""
    from rich.console import Console

    from carrousel.train.compare import Comparison, usual_hidden_size
    from carrousel.train.compare_console import compare_on
    from carrousel.train.contender import contenders

    units = usual_hidden_size(min_length) if hidden_size is None else hidden_size
    comparison = Comparison(task, contenders(cells), seeds, budget, min_length, units)
    if not compare_on(Console(highlight=False), comparison, run, workers):
        raise typer.Exit(INTERRUPTED)
