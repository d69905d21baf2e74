"""`carrousel demo`: what the library is for, in under three minutes on two cores."""

import typer

COMMANDS: tuple[str, ...] = (
    "compare embedded-reber --cells srn,gru,lstm --seeds 5 --budget 8000",
    "train shakespeare train.updates=4000",
)


def demo() -> None:
    """Compare cells on the embedded Reber grammar, then train a language model on Shakespeare."""
    from carrousel.cli import run  # the command line imports this file

    for command in COMMANDS:
        typer.secho(f"\n$ carrousel {command}\n", bold=True)
        code = run(command.split())
        if code:
            raise typer.Exit(code)
