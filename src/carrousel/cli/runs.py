"""`carrousel runs`: the run folders there are, and what they found."""

from pathlib import Path
from typing import Annotated

import typer

FOLDER = "Folder with run folders, at any depth; or one run folder."
SORT = "Figure to sort by, such as accuracy: the best first. A minus sign in front turns the order round."
DIFFER = "Show in which settings the runs differ, too."


def runs(
    folder: Annotated[Path, typer.Argument(help=FOLDER)] = Path("runs"),
    sort: Annotated[str | None, typer.Option(metavar="FIGURE", help=SORT, show_default=False)] = None,
    differ: Annotated[bool, typer.Option("--differ", help=DIFFER)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print objects instead of a table.")] = False,
) -> None:
    """List runs: finished, unfinished, not finite and damaged ones, with their held-out figures."""
    from carrousel.train.runs import finite, runs_in, sort_runs

    found = runs_in(folder)
    if sort is not None:
        found = sort_runs(found, sort)
    if as_json:
        import json
        from dataclasses import asdict

        rows = [finite(asdict(run) | {"path": str(run.path)}) for run in found]
        print(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False))
        return
    if not found:
        print(f"No runs in {folder}. carrousel train makes one.")
        return
    from rich.console import Console

    from carrousel.train.runs_table import print_differences, print_runs

    console = Console(highlight=False)
    print_runs(console, found)
    if differ:
        console.print()
        print_differences(console, found)
