"""`carrousel predict`: what a trained model says of a file, a line each."""

from pathlib import Path
from typing import Annotated

import typer

OPTIONS = (
    "Options of the kind, such as beam=5. language-model: length, temperature, top_k, top_p, seed; or beam, length, stop. "
    "tagger: input=text, n_best, marginals=true. seq2seq: beam, n_best, length_penalty, attention=FILE.html (.svg, .npz). "
    "forecaster: level, static, plot=FILE.png (.svg, .pdf) with series, history. autoencoder: threshold. "
    "Classifiers: names of columns, such as text=body."
)


def predict(
    run: Annotated[Path, typer.Argument(help="Run folder, or any folder with config.json and model.safetensors.")],
    file: Annotated[
        Path, typer.Argument(help="Data of the form that the model was trained on; what is to be found may be missing.")
    ],
    options: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=OPTIONS)] = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Count and name malformed lines, and write an empty one for each; autoencoders write the numbers of the good "
            "lines instead.",
        ),
    ] = False,
) -> None:
    """Let a trained model work on a file of yours."""
    from carrousel.models.kinds import load, options_of

    kind, network = load(run, "predict")
    for line in kind.predict(network, file, "predict", skip_bad=skip_bad, **options_of(options or [], "predict")):
        print(line)
