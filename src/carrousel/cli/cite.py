"""`carrousel cite NAME`: where a cell comes from, as a BibTeX entry."""

from typing import Annotated

import typer


def cite(
    cell: Annotated[str, typer.Argument(help="Name or alias of a cell; all of them: carrousel cells.")],
) -> None:
    """Print the publication of a cell as a BibTeX entry."""
    from carrousel.analysis.bibtex import bibtex
    from carrousel.cells import find

    print(bibtex(find(cell).source))
