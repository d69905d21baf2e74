"""Ctrl-C that waits for a good moment."""

import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

ECHO_S = 5.0
INTERRUPTED = 130  # what shells give a program that ended by Ctrl-C


@contextmanager
def stop_on_interrupt() -> Generator[Callable[[], bool]]:
    """A predicate that turns true at the first Ctrl-C (or SIGTERM); a second one interrupts at once, as without this.

    Under torchrun each process gets Ctrl-C twice, from the terminal and passed on by torchrun; what comes within 5 seconds of
    the first counts as one.
    """
    received: list[float] = []
    kinds = (signal.SIGINT, signal.SIGTERM)

    def note(number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if "TORCHELASTIC_RUN_ID" in os.environ and received and now - received[0] < ECHO_S:
            return
        received.append(now)
        if len(received) > 1:
            raise KeyboardInterrupt

    before = [signal.signal(kind, note) for kind in kinds]
    try:
        yield lambda: bool(received)
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
