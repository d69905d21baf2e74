"""What the held-out figures so far decide: when to stop, when to lower the learning rate, when to average.

All of it is a function of the history, one number an evaluation, lower is better; so the history is all there is to save.
"""

import math
from collections.abc import Sequence


def score(figure: float, is_higher_better: bool) -> float:
    """A figure as the history keeps it: lower is better, and what is not a number is the worst.

    >>> score(0.9, is_higher_better=True), score(math.nan, is_higher_better=False)
    (-0.9, inf)
    """
    if math.isnan(figure):
        return math.inf
    return -figure if is_higher_better else figure


def evaluations_since_best(history: Sequence[float]) -> int:
    """Evaluations after the best one, the first of equals; 0 without a history.

    >>> evaluations_since_best([3.0, 1.0, 2.0, 1.0])
    2
    """
    return len(history) - 1 - history.index(min(history)) if history else 0


def is_over(history: Sequence[float], patience: int | None) -> bool:
    """Whether so many evaluations in a row brought nothing better that training ends; never without a patience."""
    return patience is not None and evaluations_since_best(history) >= patience


def num_decays(history: Sequence[float], patience: int) -> int:
    """How often `patience` evaluations in a row brought nothing better than the best before; each counts for one decay alone.

    >>> [num_decays([1.0, 2.0, 2.0, 2.0, 2.0, 0.5][:n], patience=2) for n in range(1, 7)]
    [0, 0, 1, 1, 2, 2]
    """
    best, waited, decays = math.inf, 0, 0
    for figure in history:
        waited = 0 if figure < best else waited + 1
        best = min(best, figure)
        if waited == patience:
            waited, decays = 0, decays + 1
    return decays


def has_stalled(history: Sequence[float], leave_out: int) -> bool:
    """Whether the last figure is worse than the best of those before it but for `leave_out`: the non-monotonic trigger.

    Source: Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", ICLR 2018, arXiv:1708.02182,
    algorithm 1.

    >>> has_stalled([1.0, 3.0, 2.0], leave_out=1), has_stalled([3.0, 1.0, 2.0], leave_out=1)
    (True, False)
    """
    *before, last = history or [math.inf]
    return len(before) > leave_out and last > min(before[: len(before) - leave_out])
