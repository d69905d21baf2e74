"""The learning-rate range test: a short training whose rate grows from update to update, and what its losses say."""

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from carrousel.errors import ConfigError
from carrousel.train.loop import Loss, Plan, Step, Training, train
from carrousel.train.not_finite import NotFiniteError
from carrousel.train.schedule import unchanged

Batch = TypeVar("Batch")

MEMORY = 0.9  # of the smoothed loss
RUNAWAY = 4.0  # times the least loss, above the loss at the start
FEWEST = 5


class Point(NamedTuple):
    """One update of the test."""

    learning_rate: float
    loss: float  # before the update, in the unit that the kind says
    smoothed: float  # moving mean of the losses so far


def range_test(
    training: Training[Batch],
    loss: Callable[[Any, Batch, Any], Loss],
    plan: Plan,
    low: float = 1e-6,
    high: float = 10.0,
    updates: int = 100,
) -> Iterator[Point]:
    """Train while the learning rate grows by the same factor from each update to the next, until the loss runs away.

    `training` is left as it was found: weights, optimiser, batches and random state.

    Args:
        plan: all but its length, its rates and its evaluations counts, such as clipping.
        low, high: learning rates of the first and of the last update.
        updates: fewer are made where the loss runs away: past 4 times its least, and its first, value, or to infinity.

    Raises:
        ConfigError: the rates are not 0 < low < high, or there are fewer than 5 updates.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, arXiv:1506.01186, section 3.3.
    Differs: rates grow by a factor, losses are smoothed, and a test that runs away ends, as in fastai.
    """
    if not 0 < low < high < math.inf or updates < FEWEST:
        raise ConfigError(
            f"range_test: low is {low:g}, high {high:g} and updates {updates}, expected 0 < low < high and at least {FEWEST} "
            "updates. Choose others."
        )
    start, growth = training.update, (high / low) ** (1 / (updates - 1))

    def rate(update: int) -> float:
        return low * growth ** (update - start)

    changed = replace(
        plan,
        updates=training.update + updates,
        learning_rate=rate,
        rate_factor=unchanged,
        evaluate_every=training.update + updates + 1,
        patience=None,
        monitor="",
        diagnose_every=None,
    )
    before = deepcopy(training.state_dict())
    mean, first, least = 0.0, 0.0, math.inf
    try:
        for event in train(training, loss, lambda model: {}, changed):
            if not isinstance(event, Step):
                continue
            made = event.update - start
            mean = MEMORY * mean + (1 - MEMORY) * event.loss
            smoothed = mean / (1 - MEMORY**made)
            first, least = first if made > 1 else smoothed, min(least, smoothed)
            yield Point(event.learning_rate, event.loss, smoothed)
            if smoothed > max(first, least + (RUNAWAY - 1) * abs(least)):
                return
    except NotFiniteError:  # which is what a test of high rates is for
        return
    finally:
        training.load_state_dict(before)


def suggest(points: Sequence[Point]) -> float:
    """The learning rate at which the smoothed loss falls fastest over the logarithm of the rate.

    Points at which it is not yet, or no longer, falling are left out: those after the least loss.

    Raises:
        ConfigError: fewer than 5 points, or a loss that never falls.

    Source: Gugger, "How Do You Find A Good Learning Rate", 2018 (fast.ai).
    """
    losses = [point.smoothed for point in points]
    lowest = losses.index(min(losses)) if losses else 0
    if len(points) < FEWEST or lowest == 0:
        raise ConfigError(
            f"suggest: {len(points)} points with the least loss at number {lowest}, expected at least {FEWEST} and a loss that "
            "falls. Begin at a lower rate, or make more updates."
        )
    slopes = {
        k: (losses[k + 1] - losses[k - 1]) / math.log(points[k + 1].learning_rate / points[k - 1].learning_rate)
        for k in range(1, min(lowest + 1, len(points) - 1))
    }
    return points[min(slopes, key=lambda k: slopes[k])].learning_rate
