"""Learning rate as a pure function of the update number."""

import math
from collections.abc import Callable


def warm_up_then_cosine(peak: float, warmup_updates: int, updates: int, final: float = 0.0) -> Callable[[int], float]:
    """Straight up to `peak` over the first updates, then down half a cosine to `final` at the last one.

    >>> rate = warm_up_then_cosine(peak=1.0, warmup_updates=2, updates=6)
    >>> [round(rate(update), 3) for update in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.25, 0.0]

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, arXiv:1608.03983,
    equation 5, without restarts.
    """

    def rate(update: int) -> float:
        if update < warmup_updates:
            return peak * (update + 1) / warmup_updates
        progress = (update - warmup_updates) / max(1, updates - 1 - warmup_updates)
        return final + (peak - final) * (1 + math.cos(math.pi * min(1.0, progress))) / 2

    return rate
