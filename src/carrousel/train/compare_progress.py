"""Progress of a comparison on a console: a bar that redraws itself on a terminal, one line a run everywhere else."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from carrousel.train.compare import Comparison, Measured, Run
from carrousel.train.compare_findings import share
from carrousel.train.progress import clock, fit

WIDE = 80  # columns from which on there is room for a bar


class CompareProgress:
    """Shows events of a comparison; `with CompareProgress(...) as progress: progress.show(event)`."""

    def __init__(self, console: Console, comparison: Comparison) -> None:
        self.console = console
        self.runs, self.done = comparison.num_runs, 0
        self.strings = comparison.num_runs * comparison.budget
        self.seen: dict[tuple[str, int], int] = {}
        self.began = time.monotonic()
        columns = [BarColumn(bar_width=None)] if console.width >= WIDE else []
        self.bar = Progress(*columns, TextColumn("{task.fields[line]}"), console=console, transient=True, expand=True)
        self.task = self.bar.add_task("", total=self.strings, line="starting")

    def __enter__(self) -> "CompareProgress":
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.bar.stop()

    def show(self, event: Measured | Run) -> None:
        """Take in an event and show where the comparison stands."""
        if isinstance(event, Run):
            self.done += 1
            if not self.console.is_terminal:
                self.console.print(_result(event, self.done, self.runs), highlight=False, soft_wrap=True)
            return
        self.seen[event.cell, event.seed] = event.point.seen
        room = self.console.width - (30 if self.console.width >= WIDE else 0)
        self.bar.update(self.task, completed=sum(self.seen.values()), line=fit(self._facts(event), room))

    def _facts(self, event: Measured) -> list[str]:
        """What there is to say, the most important first."""
        done = sum(self.seen.values())
        left = (time.monotonic() - self.began) / done * (self.strings - done)
        return [
            f"{100 * done // self.strings:3d} %",
            f"{clock(left)} left",
            f"{event.cell}, seed {event.seed}: {share(event.point.strings_right)} right after {event.point.seen:,}",
        ]


def _result(run: Run, done: int, runs: int) -> str:
    learned = f", learned after {run.sequences:,}" if run.sequences is not None else ""
    return (
        f"{done} of {runs}: {run.cell}, seed {run.seed}: {share(run.strings_right)} of the strings right{learned} "
        f"({run.seconds:.1f} s)"
    )
