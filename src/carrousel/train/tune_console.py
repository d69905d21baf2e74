"""A search on a console: a line for each trial, then the best, and which settings matter."""

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from carrousel.errors import CarrouselError
from carrousel.train.figures import label, shown
from carrousel.train.interrupt import stop_on_interrupt
from carrousel.train.progress import clock, fit
from carrousel.train.search_presets import PRESETS
from carrousel.train.tune import Tuning, best_of, counts
from carrousel.train.tune_findings import Findings, findings, found_of
from carrousel.train.tune_report import value_text, write_study
from carrousel.train.tune_workers import tune_with

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class NoTrialError(CarrouselError):
    """Every trial of a study went wrong."""


def tune_on(
    console: Console, tuning: Tuning, num_trials: int, num_workers: int, timeout_s: float | None, command: str
) -> bool:
    """Make trials and print what came out; false when Ctrl-C stopped it.

    Args:
        command: that goes on with the study, to be shown.

    Raises:
        NoTrialError: all trials went wrong.
    """
    _introduce(console, tuning, num_trials)
    deadline = None if timeout_s is None else time.time() + timeout_s
    with stop_on_interrupt() as should_stop:
        for number in tune_with(tuning, num_trials, num_workers, deadline, should_stop):
            trials = tuning.trials()
            if counts(trials[number]):
                console.print(Text(_line(console, tuning, trials, number, num_trials)), soft_wrap=True)
        is_stopped = should_stop()
    found = findings(tuning)
    report = write_study(tuning, found, command)
    if found.best is None and found.trials and all(trial.fault for trial in found.trials):
        raise NoTrialError(f"tune: all {len(found.trials)} trials went wrong. The last: {found.trials[-1].fault}")
    _print(console, tuning, found)
    console.print(f"Report: {report}", soft_wrap=True)
    if found.best is not None:
        console.print(f"Best settings: {tuning.folder / 'best.yaml'}. Its model: {found.best.folder}", soft_wrap=True)
    if is_stopped:
        console.print(f"Stopped. To go on: {command}", soft_wrap=True, markup=False)
    return not is_stopped


def _introduce(console: Console, tuning: Tuning, num_trials: int) -> None:
    search = tuning.search
    console.print(
        f"Searching {len(search.space)} settings of a {search.kind.name} in {num_trials:,} trials for the best "
        f"{label(tuning.monitor)}. Study {tuning.name}, folder: {tuning.folder}",
        soft_wrap=True, markup=False,
    )  # fmt: skip
    if search.how.preset is not None:
        console.print(Text(f"{search.how.preset}: {PRESETS[search.how.preset].about}"), soft_wrap=True)
    for name in search.left_out:
        console.print(f"{search.how.preset}: a {search.kind.name} has no {name}; it is left out.", soft_wrap=True)


def _line(console: Console, tuning: Tuning, trials: list["FrozenTrial"], number: int, num_trials: int) -> str:
    """What there is to say about a trial that has ended."""
    trial, ended = (
        found_of(trials[number], tuning.search),
        sum(counts(one) and one.state.is_finished() for one in trials),
    )
    facts = [f"{ended} of {num_trials}: trial {number} {trial.state}" + _figure(trial.figure)]
    best = best_of(trials, tuning.is_higher_better)
    if best is not None:
        facts.append("the best so far" if best.number == number else f"best{_figure(best.value)}")
    facts += [f"{name.rpartition('.')[2]} {value_text(value)}" for name, value in trial.values.items()]
    facts += [clock(trial.seconds)]
    line = fit(facts, console.width if console.is_terminal else 1_000)
    return f"{line}\n  {trial.fault}" if trial.fault else line


def _figure(value: float | None) -> str:
    return "" if value is None else f" {shown(value)}"


def _print(console: Console, tuning: Tuning, found: Findings) -> None:
    """The best trial, and the table of importance."""
    best = found.best
    if best is None:
        console.print("No trial has come to its end yet.")
        return
    console.print(f"Best {label(tuning.monitor)}:{_figure(best.figure)}, of trial {best.number}")
    table = Table(box=None, pad_edge=False)
    table.add_column("setting", overflow="fold")
    table.add_column("best", justify="right")
    if found.importance:
        table.add_column("importance", justify="right")
    names = sorted(best.values, key=lambda name: -found.importance.get(name, 0.0))
    for name in names:
        share = [f"{100 * found.importance.get(name, 0.0):.0f} %"] if found.importance else []
        table.add_row(Text(name), value_text(best.values[name]), *share)
    console.print(table)
    console.print(f"Importance: {found.method}.", soft_wrap=True)
