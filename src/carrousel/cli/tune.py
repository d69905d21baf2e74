"""`carrousel tune`: a search for good settings."""

from pathlib import Path
from typing import Annotated

import typer

from carrousel.errors import ConfigError
from carrousel.train.interrupt import INTERRUPTED

FILE = "A settings file with a section search, which says which settings vary and between which values."
OVERRIDES = "Settings to change in all trials, such as train.epochs=3."
TRIALS = "Trials in the whole study, those of before counted."
STORAGE = (
    "Where trials are noted down: sqlite:///FILE, postgresql://USER@MACHINE/DATABASE, or the path of a journal file in a folder "
    "that machines share. Without it: SQLite in the study's folder."
)
NAME = "Of the study; without it, that of the file. A study that is there is gone on with."
FOLDER = "For the study's runs and report. Without it: studies/<name>."
WORKERS = "Trials at a time, each in a process of its own."
TIMEOUT = "Seconds after which no new trial begins."
PRUNE = "Whether trials that do badly are ended early. Without it: as the file says."


def tune(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help=FILE)],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES)] = None,
    trials: Annotated[int, typer.Option(help=TRIALS)] = 50,
    storage: Annotated[str | None, typer.Option(metavar="URL", help=STORAGE, show_default=False)] = None,
    name: Annotated[str | None, typer.Option(metavar="STUDY", help=NAME, show_default=False)] = None,
    folder: Annotated[Path | None, typer.Option(help=FOLDER, show_default=False)] = None,
    workers: Annotated[int, typer.Option(help=WORKERS)] = 1,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help=TIMEOUT, show_default=False)] = None,
    prune: Annotated[bool | None, typer.Option("--prune/--no-prune", help=PRUNE, show_default=False)] = None,
) -> None:
    """Search for the settings with the best held-out figure.

    Ctrl-C stops it; the same command goes on. Several machines work on one study with the same --storage and --name.
    """
    for option, value in (("trials", trials), ("workers", workers)):
        if value < 1:
            raise ConfigError(f"tune: {option} is {value}, expected at least 1. Choose a larger number.")
    from rich.console import Console

    from carrousel.models.kinds import find_kind
    from carrousel.train.search import read_search
    from carrousel.train.tune import Tuning
    from carrousel.train.tune_console import tune_on

    search = read_search(file, find_kind, overrides or [])
    if prune is not None:
        search = search.pruning(prune)
    study = name or file.stem
    tuning = Tuning.open(search, folder or Path("studies") / study, study, storage)
    if not tune_on(Console(highlight=False), tuning, trials, workers, timeout, _command()):
        raise typer.Exit(INTERRUPTED)


def _command() -> str:
    """The command as it was given, without a password."""
    import shlex
    import sys

    from carrousel.train.study import without_password

    return shlex.join(["carrousel", *(without_password(argument) for argument in sys.argv[1:])])
