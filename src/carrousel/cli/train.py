"""`carrousel train`: a model of any kind on a user's own files, by a settings file; or a language model on a text."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carrousel.errors import ConfigError
from carrousel.train.interrupt import INTERRUPTED

if TYPE_CHECKING:
    from carrousel.train.kind import Kind
    from carrousel.train.run import Run

WHAT = "A settings file (.yaml; carrousel new KIND writes one), a sample text (shakespeare), or a UTF-8 text file."
OVERRIDES = "Settings to change, such as model.hidden_size=512 or train.updates=1000."
RUN = "Run folder to make. Without it: runs/<name>_<date>. (torchrun takes --run for an option of its own: --folder.)"
RESUME = "Run folder of a run that was stopped: go on where it stood."
FINETUNE = (
    "Folder of a trained model to start from: all weights if kind, sizes and vocabulary are the same, else embeddings and layers "
    "that fit."
)
RANGE_TEST = (
    "Only look for a learning rate: train shortly while it rises, show the losses, suggest one. Leaves no run folder."
)
SKIP_BAD = "Count malformed lines and go on, instead of stopping at the first: data.skip_bad=true."
SETTINGS = "Print all settings of this kind of model with their values and stop."
SCHEMA = "Print the JSON schema of this kind's settings file and stop."


def train(
    what: Annotated[str | None, typer.Argument(help=WHAT, show_default=False)] = None,
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES)] = None,
    run: Annotated[Path | None, typer.Option("--run", "--folder", help=RUN, show_default=False)] = None,
    resume: Annotated[Path | None, typer.Option(help=RESUME, show_default=False)] = None,
    finetune: Annotated[Path | None, typer.Option(help=FINETUNE, show_default=False)] = None,
    range_test: Annotated[bool, typer.Option("--range-test", help=RANGE_TEST)] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help=SKIP_BAD)] = False,
    settings: Annotated[str | None, typer.Option(metavar="KIND", help=SETTINGS, show_default=False)] = None,
    schema: Annotated[str | None, typer.Option(metavar="KIND", help=SCHEMA, show_default=False)] = None,
) -> None:
    """Train a model and measure it on data that was held out."""
    given = [*(overrides or []), *(["data.skip_bad=true"] * skip_bad)]
    if settings is not None or schema is not None:
        from carrousel.models.kinds import find_kind

        chosen = find_kind(settings or schema or "", "train").Settings
        print(chosen().to_yaml() if settings else chosen.json_schema(), end="")
    elif resume is not None:
        if what is not None or overrides or run is not None or finetune is not None or range_test or skip_bad:
            raise ConfigError(
                "train: --resume is given with something to train on, settings, --run, --finetune, --range-test or --skip-bad, "
                "expected it alone: a run goes on with what it was started with. Leave the others out, or start a new run."
            )
        from carrousel.models.kinds import find_kind
        from carrousel.train.run import Run, settings_in

        _, known = settings_in(resume, find_kind)
        train_together(known, lambda: Run.resume(resume, find_kind))
    elif range_test:
        if run is not None:
            raise ConfigError(
                f"train: --run {run} is given with --range-test, which makes no run folder, expected one of them. Leave one out."
            )
        show_rates(*settings_of(what, given), finetune)
    else:
        start(*settings_of(what, given), run, finetune)


def settings_of(what: str | None, overrides: list[str]) -> tuple["Kind[Any]", Any]:
    """The kind of model that is asked for, and its settings."""
    from carrousel.models.kinds import find_kind, read_settings

    if what is None or ("=" in what and not Path(what).exists()):
        given = "nothing is given to train on" if what is None else f"{what!r} stands where the data is expected"
        raise ConfigError(
            f"train: {given}, expected a settings file, a sample or a text file, then settings. For example: carrousel train "
            "shakespeare train.updates=1000"
        )
    if Path(what).suffix in (".yaml", ".yml"):
        return read_settings(Path(what), overrides)
    kind = find_kind("language-model")
    return kind, kind.Settings.of({"data": {"text": what}}, overrides)


def show_rates(kind: "Kind[Any]", settings: Any, finetune: Path | None) -> None:
    """Make a range test and print what it found, with the other processes where torchrun started some."""
    from rich.console import Console

    from carrousel.models.kinds import load
    from carrousel.train.distributed import is_main, processes
    from carrousel.train.from_settings import device_of
    from carrousel.train.rate_search import find_rate, print_rates

    def trained(folder: Path, where: str) -> Any:
        return load(folder, where)[1]

    def take(network: Any) -> None:
        if finetune is not None:
            network.start_from(finetune, "train", trained)

    with processes(device_of(settings.train)):
        console = Console(highlight=False, quiet=not is_main())
        with console.status("Training shortly while the learning rate rises ..."):
            found = find_rate(kind, settings, change=take)
        print_rates(console, found)


def start(kind: "Kind[Any]", settings: Any, run: Path | None, finetune: Path | None) -> None:
    """Make a new run and train it; all that can be wrong with it is found before its folder is made."""
    from carrousel.models.kinds import load
    from carrousel.train.run import Run

    def make() -> "Run":
        return Run.start(kind, settings, run, weights=finetune, load=lambda folder, where: load(folder, where)[1])

    train_together(settings, make)


def train_together(settings: Any, make: Callable[[], "Run"]) -> None:
    """Train a run to its end, with the other processes where torchrun started some; exit code 130 when Ctrl-C stopped it."""
    from rich.console import Console

    from carrousel.train.console import train_on
    from carrousel.train.distributed import is_main, processes
    from carrousel.train.from_settings import device_of

    with processes(device_of(settings.train)):
        is_done = train_on(Console(highlight=False, quiet=not is_main()), make())
    if not is_done:
        raise typer.Exit(INTERRUPTED)
