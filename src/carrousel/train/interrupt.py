"""Ctrl-C that waits for a good moment."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_interrupt() -> Generator[Callable[[], bool]]:
    """A predicate that turns true at the first Ctrl-C (or SIGTERM); a second one interrupts at once, as without this."""
    received: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt

    before = [signal.signal(kind, note) for kind in kinds]
    try:
        yield lambda: bool(received)
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
