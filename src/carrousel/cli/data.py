"""`carrousel data check`: what a file of data holds, before anything is trained on it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from carrousel.errors import ConfigError


class Action(StrEnum):
    """What to do with the file."""

    CHECK = "check"


def data(
    action: Annotated[Action, typer.Argument(help="check: say what was understood.")],
    file: Annotated[
        Path,
        typer.Argument(help="A file or folder of yours, or a settings file: then its data, as it says to read it."),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change in a settings file.")
    ] = None,
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
    assert action is Action.CHECK
    if file.suffix in (".yaml", ".yml"):
        if kind is not None or valid is not None:
            raise ConfigError(
                f"check: {file} is given with --kind or --valid, expected it alone: a settings file says what its data is for and "
                "what is held out. Leave them out, or give the file of data."
            )
        from carrousel.models.check import check_settings

        found = check_settings(file, overrides or [], skip_bad=skip_bad)
    else:
        if overrides:
            raise ConfigError(
                f"check: {overrides[0]!r} is given with {file}, which is no settings file (.yaml), expected a file of data alone. "
                "Leave it out."
            )
        from carrousel.data.check import check

        found = check(file, kind, valid=valid, skip_bad=skip_bad)
    for line in found.lines():
        print(line)
