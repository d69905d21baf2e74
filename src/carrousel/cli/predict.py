"""`carrousel predict`: what a trained model says of a file, a line each."""

from pathlib import Path
from typing import Annotated

import typer


def predict(
    run: Annotated[Path, typer.Argument(help="Run folder, or any folder with config.json and model.safetensors.")],
    file: Annotated[
        Path, typer.Argument(help="Data of the form that the model was trained on; what is to be found may be missing.")
    ],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Options of the kind, such as beam=5.")
    ] = None,
) -> None:
    """Let a trained model work on a file of yours."""
    from carrousel.models.kinds import load, options_of

    kind, network = load(run, "predict")
    for line in kind.predict(network, file, "predict", **options_of(options or [], "predict")):
        print(line)
