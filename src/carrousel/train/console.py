"""A run on a console, from its first line to its report."""

from contextlib import suppress

from rich.console import Console

from carrousel.errors import CarrouselError, DataError
from carrousel.train.distributed import is_main
from carrousel.train.interrupt import stop_on_interrupt
from carrousel.train.not_finite import NotFiniteError
from carrousel.train.progress import Progress
from carrousel.train.report import report, to_text
from carrousel.train.run import Run


def train_on(console: Console, run: Run) -> bool:
    """Train a run and print its progress and what came out; false when Ctrl-C stopped it, with how to go on printed.

    Raises:
        CarrouselError: what stopped the run; it stands in the log, too.
    """
    console.print(run.describe(), soft_wrap=True)
    try:
        if not _train(console, run):
            return _say_stopped(console, run)
        if not is_main():
            return True
        console.print("Measuring what it has to beat ...")
        summary = run.finish()
        no_curve = run.draw(summary)
    except KeyboardInterrupt:
        return _say_stopped(console, run)
    except CarrouselError as error:
        if is_main() and not isinstance(error, NotFiniteError):  # which the run has noted down
            with suppress(DataError):  # a full disk has no room for what it did, either
                run.folder.log(str(error))
        raise
    folder = run.folder
    shown = report(summary, (folder.path / "sample.txt").read_text(encoding="utf-8"))
    folder.log(to_text(shown))
    console.print(shown)
    if no_curve:
        console.print(no_curve, soft_wrap=True, markup=False)
    use = f"sample {folder.path}" if run.kind.name == "language-model" else f"predict {folder.path} FILE"
    console.print(f"Run folder: {folder.path}. To use the model: carrousel {use}", soft_wrap=True)
    return True


def _train(console: Console, run: Run) -> bool:
    """Whether training came to its end."""
    with stop_on_interrupt() as should_stop, progress_of(console, run) as progress:
        for event in run.train(should_stop):
            progress.show(event)
    return run.is_complete


def progress_of(console: Console, run: Run) -> Progress:
    """What shows the events of a run, from where it stands."""
    training, prepared = run.training, run.prepared
    return Progress(
        console,
        run.updates,
        prepared.unit,
        prepared.monitor,
        prepared.loss_in_monitor,
        prepared.loss_unit,
        run.loader_share,
        training.update,
        training.seen,
    )


def _say_stopped(console: Console, run: Run) -> bool:
    if is_main():
        run.folder.log(f"stopped after update {run.training.update:,}")
    again = f"carrousel train --resume {run.folder.path}"
    where = f"Stopped after update {run.training.update:,} of {run.updates:,}"
    console.print(f"{where}. To go on: {again}", soft_wrap=True)
    return False
