"""`carrousel evaluate`: figures of a trained model on a file."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder, or any folder with config.json and model.safetensors.")],
    file: Annotated[Path, typer.Argument(help="Data of the form that the model was trained on.")],
    options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Options of the kind. Language models: adapt=dynamic (learning_rate, decay, segment, epsilon, squares=TEXT) or "
            "adapt=cache (window, theta, part). Forecasters: static=FILE.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Count and name malformed lines, and measure on the rest.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Measure a trained model on a file of yours."""
    from json import dumps

    from carrousel.models.kinds import load, options_of
    from carrousel.train.figures import label, shown

    kind, network = load(run, "evaluate")
    given = options_of(options or [], "evaluate", "adapt=dynamic")
    figures = kind.evaluate_with(network, file, given, "evaluate", skip_bad=skip_bad)
    if json:
        print(dumps(dict(figures)))
        return
    width = max(len(label(name)) for name in figures)
    for name, value in figures.items():
        print(f"{label(name):<{width}}  {shown(value)}")
