"""The clock of the benchmark."""

import time
from collections.abc import Callable


def seconds(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
