"""`carrousel evaluate`: figures of a trained model on a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from carrousel.train.kind import Measured

OPTIONS = (
    "Options of the kind. language-model: adapt=dynamic (learning_rate, decay, segment, epsilon, squares=TEXT) or adapt=cache "
    "(window, theta, part). forecaster: static=FILE; each=true, of each series; windows=5, step, for a back-test."
)


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder, or any folder with config.json and model.safetensors.")],
    file: Annotated[Path, typer.Argument(help="Data of the form that the model was trained on.")],
    options: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=OPTIONS)] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Count and name malformed lines, and measure on the rest.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Measure a trained model on a file of yours."""
    from json import dumps

    from carrousel.models.kinds import load, options_of

    kind, network = load(run, "evaluate")
    given = options_of(options or [], "evaluate", "adapt=dynamic")
    found = kind.evaluate_with(network, file, given, "evaluate", skip_bad=skip_bad)
    print(dumps(as_json(found)) if json else as_text(found))


def as_text(found: "Measured") -> str:
    """Figures as lines; where there is something beside them, as tables."""
    from carrousel.train.figures import THIS_MODEL, figures_table, label, shown

    if not found.baselines:
        width = max(len(label(name)) for name in found.figures)
        return "\n".join(f"{label(name):<{width}}  {shown(value)}" for name, value in found.figures.items())
    whole = {THIS_MODEL: found.figures, **found.baselines}
    parts = {**found.parts, "all" if found.parts else "": whole}
    return "\n".join([*found.notes, *([""] if found.notes else []), figures_table(parts)])


def as_json(found: "Measured") -> dict[str, Any]:
    """The figures by name, and what is beside them; null for what cannot be computed."""
    beside: dict[str, Any] = {"baselines": found.baselines, "parts": found.parts, "notes": list(found.notes)}
    return _without_nan({**found.figures, **{name: value for name, value in beside.items() if value}})


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in cast(Mapping[str, Any], value).items()}
    return None if value != value else value
