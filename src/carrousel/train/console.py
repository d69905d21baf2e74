"""A language-model run on a console, from its first line to its report."""

from rich.console import Console

from carrousel.errors import CarrouselError
from carrousel.train.interrupt import stop_on_interrupt
from carrousel.train.language_model_run import LanguageModelRun
from carrousel.train.progress import Progress
from carrousel.train.report import report, to_text


def train_on(console: Console, run: LanguageModelRun) -> bool:
    """Train a run and print its progress and what came out; false when Ctrl-C stopped it, with how to go on printed.

    Raises:
        CarrouselError: what stopped the run; it stands in the log, too.
    """
    console.print(run.describe(), soft_wrap=True)
    try:
        if not _train(console, run):
            return _say_stopped(console, run)
        console.print("Measuring the baselines ...")
        summary, sample, no_curve = run.finish()
    except KeyboardInterrupt:
        return _say_stopped(console, run)
    except CarrouselError as error:
        run.folder.log(str(error))
        raise
    shown, folder = report(summary, sample), run.folder
    folder.log(to_text(shown))
    console.print(shown)
    if no_curve:
        console.print(no_curve, soft_wrap=True, markup=False)
    console.print(f"Run folder: {folder.path}. To write more: carrousel sample {folder.path}", soft_wrap=True)
    return True


def _train(console: Console, run: LanguageModelRun) -> bool:
    """Whether training came to its end."""
    updates, training = run.config.train.updates, run.training
    with stop_on_interrupt() as should_stop, Progress(console, updates, training.update, training.seen) as progress:
        for event in run.train(should_stop):
            progress.show(event)
    return training.update == updates


def _say_stopped(console: Console, run: LanguageModelRun) -> bool:
    update, updates = run.training.update, run.config.train.updates
    run.folder.log(f"stopped after update {update:,}")
    again = f"carrousel train --resume {run.folder.path}"
    console.print(f"Stopped after update {update:,} of {updates:,}. To go on: {again}", soft_wrap=True)
    return False
