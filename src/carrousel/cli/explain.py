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
    from carrousel.cells import find
    from carrousel.engine import compile_cell
    from carrousel.engine.explain import explain as explained

    definition = find(cell)
    program = compile_cell(definition, definition.sizes(input_size, hidden_size))
    print(explained(program.plan))
    if graph:
        print()
        print(program.graph)
