"""`carrousel draw NAME`: a cell as a picture."""

from pathlib import Path
from typing import Annotated

import typer


def draw(
    cell: Annotated[str, typer.Argument(help="Name or alias of a cell; all of them: carrousel cells.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; standard output without.")
    ] = None,
) -> None:
    """Draw one time step of a cell as an SVG picture: states from the left, x from below, y to the top."""
    from carrousel.analysis.cards import small_sizes
    from carrousel.cells import find
    from carrousel.drawing import draw as drawn
    from carrousel.engine import trace_cell
    from carrousel.errors import ConfigError
    from carrousel.files import write_atomically

    definition = find(cell)
    if output is not None and not output.name:
        raise ConfigError(f"draw: --output is {str(output)!r}, expected a file. For example: -o {definition.name}.svg")
    text = drawn(trace_cell(definition, small_sizes(definition)))
    if output is None:
        print(text, end="")
    else:
        write_atomically(output, text.encode())
