"""Progress on a console: a bar that redraws itself on a terminal, plain lines everywhere else."""

import math
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from carrousel.train.loop import Evaluation, Event, Step

PLAIN_LINES = 20  # at most, where there is no terminal
SMOOTHED = 50  # updates that the loss shown is about the mean of


class Progress:
    """Shows events of a run of a language model; `with Progress(...) as progress: progress.show(event)`.

    Args:
        updates: in the whole run.
        update, seen: updates made and characters read by earlier processes.
    """

    def __init__(self, console: Console, updates: int, update: int = 0, seen: int = 0) -> None:
        self.console, self.updates = console, updates
        self.first_update, self.first_seen, self.began = update, seen, time.monotonic()
        self.loss = 0.0  # nats, smoothed
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
                found = event.values["held_out_bits_per_character"]
                line = f"update {event.update:,}: {found:.3f} bits per held-out character"
                self.console.print(line, highlight=False, soft_wrap=True)
            case _:
                pass

    def _facts(self, event: Step) -> list[str]:
        """What there is to say, the most important first."""
        seconds = max(time.monotonic() - self.began, 1e-9)
        done = event.update - self.first_update
        left = seconds / done * (self.updates - event.update)
        return [
            f"{100 * event.update // self.updates:3d} %",
            f"{self.loss / math.log(2):.3f} bits/char",
            f"{clock(left)} left",
            f"loss {self.loss:.3f} nats",
            f"{(event.seen - self.first_seen) / seconds:,.0f} chars/s",
        ]


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
