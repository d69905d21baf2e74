"""`carrousel cells`: the catalogue."""

import json
from typing import Annotated, Any

import typer

SIZE = 128


def cells(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects instead of a table.")] = False,
) -> None:
    """List all cells: name, year, state, parameters for 128 inputs and 128 units, phases in a time step."""
    rows = _rows()
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("name", "year", "state", "parameters", "phases", "also called"):
        table.add_column(title, justify="right" if title in ("year", "parameters", "phases") else "left")
    for row in rows:
        table.add_row(
            row["name"], str(row["year"]), " ".join(row["state"]), f"{row['parameters']:,}", str(row["phases"]),
            ", ".join(row["aliases"]),
        )  # fmt: skip
    whole = Console(width=1_000).measure(table).maximum  # a narrow terminal wraps a row; nothing is cut from it
    Console(highlight=False, width=whole).print(table)


def _rows() -> list[dict[str, Any]]:
    from carrousel.cells import CELLS
    from carrousel.engine import compile_cell

    return [
        {
            "name": cell.name,
            "aliases": list(cell.aliases),
            "title": cell.source.title,
            "year": cell.source.year,
            "state": list(cell.state_axes),
            "parameters": cell.num_parameters(cell.sizes(SIZE, SIZE)),
            "phases": compile_cell(cell, cell.sizes(SIZE, SIZE)).plan.num_product_phases,
        }
        for cell in CELLS.values()
    ]
