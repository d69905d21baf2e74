"""`carrousel new`: a settings file with comments and a small sample of real data beside it."""

from pathlib import Path
from typing import Annotated

import typer


def new(
    kind: Annotated[
        str, typer.Argument(help="language-model, tagger, classifier, seq2seq, forecaster, autoencoder ...")
    ],
    folder: Annotated[Path, typer.Argument(help="Where to put the files; made if it is not there.")] = Path("."),
    sample: Annotated[
        str, typer.Option(metavar="NAME", help="Other data than the kind's first; its samples are named at the end.")
    ] = "",
) -> None:
    """Begin a project: settings to train with, and data to see how yours should look."""
    from carrousel.models.kinds import write_starter
    from carrousel.models.samples import sample_names

    written = write_starter(kind, folder, sample)
    for path in written:
        print(path)
    print(f"To train: carrousel train {written[0]}")
    if others := [name for name in sample_names(kind) if name != sample]:
        print(f"Other data: carrousel new {kind} DIR --sample {' or '.join(others)}")
