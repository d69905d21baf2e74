"""`carrousel data check`: what a file of data holds, before anything is trained on it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Action(StrEnum):
    """What to do with the file."""

    CHECK = "check"


def data(
    action: Annotated[Action, typer.Argument(help="check: say what was understood.")],
    file: Annotated[Path, typer.Argument(help="A file or folder of yours.")],
    kind: Annotated[
        str | None,
        typer.Option(help="The kind of model it is for; without it, the form is guessed.", show_default=False),
    ] = None,
    valid: Annotated[
        Path | None,
        typer.Option(help="Held-out data of yours, to look for what both have in common.", show_default=False),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad/--stop-at-bad", help="Count malformed lines and look at the rest, or stop at the first."
        ),
    ] = True,
) -> None:
    """Look at data: columns, lengths, gaps, classes, vocabulary, split, leakage, and what a model has to beat."""
    from carrousel.data.check import check

    assert action is Action.CHECK
    for line in check(file, kind, valid=valid, skip_bad=skip_bad).lines():
        print(line)
