"""`carrousel cells`: the catalogue, or one cell of it."""

import json
from typing import Annotated, Any

import typer


def cells(
    name: Annotated[
        str | None, typer.Argument(help="Name or alias of one cell, to see all that is known of it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print objects instead of a table.")] = False,
) -> None:
    """List all cells, or describe one: equations, source, parameters, complexity, work.

    Parameters are counted for 128 inputs and 128 units. Phases are the products on the state that wait for each other inside a
    time step. Scan names the kind of scan that runs all time steps at once, where there is one.
    """
    from carrousel.analysis.card_text import card_text
    from carrousel.analysis.cards import Card
    from carrousel.cells import CELLS, find

    if name is not None:
        card = Card(find(name))
        print(json.dumps(card.summary(), indent=1, ensure_ascii=False) if as_json else card_text(card))
        return
    rows = [Card(cell).summary() for cell in CELLS.values()]
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("name", "year", "state", "parameters", "phases", "scan", "also called"):
        table.add_column(title, justify="right" if title in ("year", "parameters", "phases") else "left")
    for row in rows:
        table.add_row(
            row["name"], str(row["year"]), " ".join(row["state"]), f"{row['parameters']:,}", str(row["phases"]),
            row["scan"], ", ".join(row["aliases"]),
        )  # fmt: skip
    whole = Console(width=1_000).measure(table).maximum  # a narrow terminal wraps a row; nothing is cut from it
    Console(highlight=False, width=whole).print(table)
