"""The command line. One subcommand = one file with one function of its name, registered below.

A subcommand prints what the library returns. It imports torch, NumPy and the library's own modules inside the function, so
that `carrousel --help` answers at once. It raises the library's errors; here they become one line and an exit code.

Exit codes: 0 done; 1 an error that nobody foresaw; 2 wrong input; 130 stopped by Ctrl-C.
"""

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import typer
from typer import TyperException

from carrousel.cli.bench import bench
from carrousel.cli.cells import cells
from carrousel.cli.cite import cite
from carrousel.cli.compare import compare
from carrousel.cli.data import data
from carrousel.cli.demo import demo
from carrousel.cli.doctor import doctor
from carrousel.cli.draw import draw
from carrousel.cli.evaluate import evaluate
from carrousel.cli.explain import explain
from carrousel.cli.new import new
from carrousel.cli.predict import predict
from carrousel.cli.runs import runs
from carrousel.cli.sample import sample
from carrousel.cli.train import train
from carrousel.cli.tune import tune
from carrousel.errors import CarrouselError, nearest

# Threads of torch's products that wait for each other by spinning stand still when another process wants the core. The
# benchmark measures what a user's own program gets.
if sys.argv[1:2] != ["bench"]:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

SUBCOMMANDS = (
    new,
    data,
    train,
    evaluate,
    predict,
    sample,
    runs,
    tune,
    compare,
    cells,
    cite,
    draw,
    explain,
    demo,
    doctor,
    bench,
)

app = typer.Typer(
    name="carrousel",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Every recurrent cell of the literature: train it, compare it, look into it.\n\n"
    "--debug, anywhere on the line, shows the whole traceback of an error.",
)
for _subcommand in SUBCOMMANDS:
    app.command(_subcommand.__name__)(_subcommand)


def main() -> NoReturn:
    """Run the command line on `sys.argv` and exit."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    sys.exit(run(arguments, is_debugging="--debug" in sys.argv[1:]))


def run(arguments: list[str], *, is_debugging: bool = False) -> int:
    """Run the command line on arguments and give the exit code; errors are printed, or raised when debugging."""
    with warnings.catch_warnings():
        warnings.showwarning = _shown_warning(warnings.showwarning)
        return _run(arguments, is_debugging)


def _run(arguments: list[str], is_debugging: bool) -> int:
    try:
        code: Any = app(arguments or ["--help"], prog_name="carrousel", standalone_mode=False)
        sys.stdout.flush()
    except (CarrouselError, TyperException) as error:
        if is_debugging:
            raise
        return _fail(_one_line(error), 2)
    except KeyboardInterrupt:
        return _fail("stopped.", 130)
    except BrokenPipeError:  # the reader of our output has gone; nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        return _fail(
            f"the output's encoding is {error.encoding}, which has no {character!a}, expected UTF-8. "
            "Set the environment variable PYTHONIOENCODING=utf-8.",
            2,
        )
    except Exception as error:
        if is_debugging:
            raise
        what = f"{type(error).__name__}: {_joined(str(error))}"
        return _fail(f"{what}. This was not foreseen; run again with --debug to see where.", 1)
    return code if isinstance(code, int) else 0


def _shown_warning(usual: Callable[..., None]) -> Callable[..., None]:
    """What prints a warning of this library as a line, and others as usual: users of the command line have no use for our lines."""

    def shown(message: Warning, category: type[Warning], *place: Any, **more: Any) -> None:
        if category.__module__.startswith("carrousel."):
            print(f"carrousel: {message}", file=sys.stderr)
        else:
            usual(message, category, *place, **more)

    return shown


def _fail(message: str, code: int) -> int:
    print(f"carrousel: {message}", file=sys.stderr)
    return code


def _one_line(error: Exception) -> str:
    if isinstance(error, CarrouselError):
        return str(error)
    message = error.format_message() if isinstance(error, TyperException) else str(error)
    if message.startswith("No such command"):
        name = message.split("'")[1]
        return f"unknown subcommand {name!r}.{nearest(name, [s.__name__ for s in SUBCOMMANDS])} All: carrousel --help"
    context: Any = getattr(error, "ctx", None)
    return f"{_joined(message).rstrip('.')}. See: {context.command_path if context else 'carrousel'} --help"


def _joined(text: str) -> str:
    return " ".join(text.split())
