"""`carrousel train`: a language model on a sample text or a user's own file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carrousel.errors import ConfigError

if TYPE_CHECKING:
    from carrousel.train.language_model_run import LanguageModelRun

TEXT = "A sample text (shakespeare), or the path of a UTF-8 text file."
OVERRIDES = "Settings to change, such as model.hidden_size=512 or train.updates=1000."
RUN = "Run folder to make. Without it: runs/<text>_<date>."
RESUME = "Run folder of a run that was stopped: go on where it stood."
INTERRUPTED = 130  # what shells give a program that ended by Ctrl-C


def train(
    text: Annotated[str | None, typer.Argument(help=TEXT, show_default=False)] = None,
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES)] = None,
    run: Annotated[Path | None, typer.Option(help=RUN, show_default=False)] = None,
    resume: Annotated[Path | None, typer.Option(help=RESUME, show_default=False)] = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="Print all settings with their values and stop.")
    ] = False,
) -> None:
    """Train a character language model and measure it on text that was held out."""
    if settings:
        from carrousel.train.config import Config

        print(Config().to_yaml(), end="")
    elif resume is not None:
        if text is not None or overrides or run is not None:
            raise ConfigError(
                "train: --resume is given with a text, settings or --run, expected it alone: a run goes on with what it was "
                "started with. Leave the others out, or start a new run."
            )
        from carrousel.train.language_model_run import LanguageModelRun

        train_on_console(LanguageModelRun.resume(resume))
    else:
        train_on_console(start(text, overrides or [], run))


def start(text: str | None, overrides: list[str], run: Path | None) -> "LanguageModelRun":
    """A new run of a text; all that can be wrong with it is found before its folder is made."""
    from carrousel.train.config import Config
    from carrousel.train.language_model_run import LanguageModelRun

    if text is None or ("=" in text and not Path(text).exists()):
        what = "no text is given" if text is None else f"{text!r} stands where the text is expected"
        raise ConfigError(
            f"train: {what}, expected a sample or a file, then settings. For example: carrousel train shakespeare "
            "train.updates=1000"
        )
    return LanguageModelRun.start(Config.of({"data": {"text": text}}, overrides), run)


def train_on_console(run: "LanguageModelRun") -> None:
    """Train a run to its end; exit code 130 when Ctrl-C stopped it."""
    from rich.console import Console

    from carrousel.train.console import train_on

    if not train_on(Console(highlight=False), run):
        raise typer.Exit(INTERRUPTED)
