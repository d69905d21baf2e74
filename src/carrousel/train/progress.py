"""Progress on a console: a bar that redraws itself on a terminal, plain lines everywhere else."""

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from carrousel.train.figures import label, shown
from carrousel.train.loop import Evaluation, Event, Step

PLAIN_LINES = 20  # at most, where there is no terminal
SMOOTHED = 50  # updates that the loss shown is about the mean of


class Progress:
    """Shows events of a run; `with Progress(...) as progress: progress.show(event)`.

    Args:
        updates: in the whole run.
        unit: what is counted as seen, such as "characters".
        monitor: the figure that training is about.
        loss_in_monitor: what makes the training loss that figure; None where it is another one.
        loss_unit: as `Prepared.loss_unit`.
        loader_share: part of the time that went into making batches.
        update, seen: updates made and units learned from by earlier processes.
    """

    def __init__(
        self,
        console: Console,
        updates: int,
        unit: str,
        monitor: str,
        loss_in_monitor: float | None = None,
        loss_unit: str = "nats",
        loader_share: Callable[[], float] = lambda: 0.0,
        update: int = 0,
        seen: int = 0,
    ) -> None:
        self.console, self.updates, self.unit, self.monitor = console, updates, unit, monitor
        self.loss_in_monitor, self.loader_share = loss_in_monitor, loader_share
        self.loss_unit = loss_unit
        self.first_update, self.first_seen, self.began = update, seen, time.monotonic()
        self.loss = 0.0  # smoothed
        columns = [BarColumn(bar_width=None)] if console.width >= 80 else []
        self.bar = RichProgress(
            *columns, TextColumn("{task.fields[line]}"), console=console, transient=True, expand=True
        )
        self.task = self.bar.add_task("", total=updates, completed=update, line="")

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.bar.stop()

    def show(self, event: Event) -> None:
        """Take in an event and show where the run stands."""
        match event:
            case Step():
                weight = max(1 / (event.update - self.first_update), 1 / SMOOTHED)
                self.loss += weight * (event.loss - self.loss)
                room = self.console.width - (30 if self.console.width >= 80 else 0)
                line = fit(self._facts(event), room if self.console.is_terminal else 1_000)
                self.bar.update(self.task, completed=event.update, line=line)
                if not self.console.is_terminal and event.update % -(-self.updates // PLAIN_LINES) == 0:
                    self.console.print(line, highlight=False, soft_wrap=True)
            case Evaluation():
                found = ", ".join(f"{label(name)} {shown(value)}" for name, value in event.values.items())
                line = f"update {event.update:,}: held-out {found}"
                self.console.print(line, highlight=False, soft_wrap=True)
            case _:
                pass

    def _facts(self, event: Step) -> list[str]:
        """What there is to say, the most important first."""
        seconds = max(time.monotonic() - self.began, 1e-9)
        done = event.update - self.first_update
        left = seconds / done * (self.updates - event.update)
        is_nats = self.loss_unit == "nats"
        loss = f"loss {self.loss:.3f} nats" if is_nats else f"{self.loss_unit} {self.loss:.3f}"
        first = [loss] if self.loss_in_monitor is None else [self._monitored(), loss]
        return [
            f"{100 * event.update // self.updates:3d} %",
            first[0],
            f"{clock(left)} left",
            *first[1:],
            f"{(event.seen - self.first_seen) / seconds:,.0f} {label(self.unit)}/s",
            f"loader {100 * self.loader_share():.0f} %",
        ]

    def _monitored(self) -> str:
        """The training loss as the figure that is monitored on held-out data."""
        assert self.loss_in_monitor is not None
        return f"{self.loss * self.loss_in_monitor:.3f} {label(self.monitor)}"


def fit(facts: list[str], width: int) -> str:
    """As many facts as fit into `width` characters, from the first on.

    >>> fit(["12 %", "2.310 bits/char", "1:05 left"], 24)
    '12 %  2.310 bits/char'
    """
    line = facts[0]
    for fact in facts[1:]:
        if len(line) + 2 + len(fact) > width:
            break
        line += "  " + fact
    return line


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> clock(65), clock(3_600)
    ('1:05', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
