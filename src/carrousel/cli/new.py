"""`carrousel new`: a settings file with comments and a small sample of real data beside it."""

from pathlib import Path
from typing import Annotated

import typer


def new(
    kind: Annotated[
        str, typer.Argument(help="language-model, tagger, classifier, seq2seq, forecaster, autoencoder ...")
    ],
    folder: Annotated[Path, typer.Argument(help="Where to put the files; made if it is not there.")] = Path("."),
) -> None:
    """Begin a project: settings to train with, and data to see how yours should look."""
    from carrousel.models.kinds import write_starter

    written = write_starter(kind, folder)
    for path in written:
        print(path)
    print(f"To train: carrousel train {written[0]}")
