"""`carrousel explain CELL`: what the engine makes of a cell, in words and numbers."""

from typing import Annotated

import typer


def explain(
    cell: Annotated[str, typer.Argument(help="Name or alias of a cell; all of them: carrousel cells.")],
    input_size: Annotated[int, typer.Option(help="Features of the input.")] = 128,
    hidden_size: Annotated[int, typer.Option(help="Hidden units.")] = 128,
    graph: Annotated[bool, typer.Option(help="Print the step as a graph, too.")] = False,
) -> None:
    """Say how the engine runs a cell: what leaves the loop, the phases, the tape, the work of a step."""
    from carrousel.layers import Recurrent

    layer = Recurrent(cell, input_size, hidden_size)
    print(layer.explain())
    if graph:
        print()
        print(layer.graph())
