"""The learning rate: a function of the update number, counted from 0, times a function of the held-out figures so far.

Neither has a state of its own, so that a run goes on bit for bit with what it saves anyway.
"""

import math
from collections.abc import Callable, Sequence

from carrousel.train.stopping import num_decays

Rate = Callable[[int], float]
"""Update number -> learning rate."""

Factor = Callable[[Sequence[float]], float]
"""History of held-out figures, lower is better -> what the learning rate is multiplied by."""

START_PART, END_PART, RISE = 1 / 25, 1e-4, 0.3  # of one cycle: parts of the peak, part of the updates


def warm_up_then_constant(peak: float, warmup_updates: int) -> Rate:
    """Straight up to `peak` over the first updates, and there it stays.

    >>> [warm_up_then_constant(1.0, warmup_updates=2)(update) for update in range(4)]
    [0.5, 1.0, 1.0, 1.0]
    """
    return lambda update: peak * min(1.0, (update + 1) / max(1, warmup_updates))


def warm_up_then_cosine(peak: float, warmup_updates: int, updates: int, final: float = 0.0) -> Rate:
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


def warm_up_then_linear(peak: float, warmup_updates: int, updates: int, final: float = 0.0) -> Rate:
    """Straight up to `peak` over the first updates, then straight down to `final` at the last one.

    >>> rate = warm_up_then_linear(peak=1.0, warmup_updates=2, updates=6)
    >>> [round(rate(update), 3) for update in range(6)]
    [0.5, 1.0, 1.0, 0.667, 0.333, 0.0]
    """

    def rate(update: int) -> float:
        if update < warmup_updates:
            return peak * (update + 1) / warmup_updates
        progress = (update - warmup_updates) / max(1, updates - 1 - warmup_updates)
        return peak + (final - peak) * min(1.0, progress)

    return rate


def one_cycle(peak: float, rise_updates: int, updates: int) -> Rate:
    """Half a cosine up from a 25th of `peak`, then half a cosine down to a 10,000th of it at the last update.

    Args:
        rise_updates: on the way up; 0 for three tenths of all.

    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018,
    arXiv:1708.07120.
    Differs: cosines in place of straight lines, as in fastai; momentum does not cycle.

    >>> [round(one_cycle(1.0, rise_updates=2, updates=5)(update), 4) for update in range(5)]
    [0.04, 0.52, 1.0, 0.5, 0.0001]
    """
    rise = rise_updates or round(RISE * updates)

    def rate(update: int) -> float:
        if update < rise:
            return peak * _half_cosine(START_PART, 1.0, update / rise)
        return peak * _half_cosine(1.0, END_PART, min(1.0, (update - rise) / max(1, updates - 1 - rise)))

    return rate


def step_decay(peak: float, warmup_updates: int, decay: float, decay_every: int) -> Rate:
    """Straight up to `peak`, then constant but for a factor `decay` after each `decay_every` updates.

    >>> [step_decay(1.0, 0, decay=0.5, decay_every=2)(update) for update in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    risen = warm_up_then_constant(peak, warmup_updates)
    return lambda update: risen(update) * decay ** (update // decay_every)


def plateau(decay: float, patience: int) -> Factor:
    """A factor `decay` for each `patience` evaluations in a row that brought no better figure.

    >>> plateau(decay=0.5, patience=2)([1.0, 2.0, 2.0])
    0.5
    """
    return lambda history: decay ** num_decays(history, patience)


def unchanged(history: Sequence[float]) -> float:
    """The factor of a schedule that does not look at the figures: 1."""
    return 1.0


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
