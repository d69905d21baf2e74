"""Values so far from all others of their column that scaling leaves nothing of these."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from carrousel.data.moments import moments
from carrousel.data.stretches import Stretches

FAR = 20  # standard deviations
FEWEST = 30  # values of a column, below which one of them says little about the others


class FarValueWarning(UserWarning):
    """A column has values that make its scaling useless; training goes on."""


class Far(NamedTuple):
    """The furthest value of a column."""

    column: int
    value: float
    z: float  # standard deviations of the others, from their mean
    number: int  # of values more than `FAR` standard deviations from the mean of all, or this one
    step: int  # where it stands, counted through all stretches


def far_values(values: Stretches, means: Sequence[float], deviations: Sequence[float]) -> list[Far]:
    """Of each column (T, C) with values far away the furthest one.

    A value cannot be further than √(T - 1) standard deviations from a mean that it has moved itself; therefore the furthest is
    held against the mean and the standard deviation of the others.

    Args:
        values: without NaN.
        means, deviations: of each column.

    >>> column = np.append(np.tile([1.0, 2.0], 50), 1e30)[:, None]
    >>> far_values(Stretches(column, np.array([0]), np.array([101])), [1e28], [1e29])
    [Far(column=0, value=1e+30, z=2e+30, number=1, step=100)]
    """
    number = np.zeros(len(means), np.int64)
    distance, furthest = np.full(len(means), -1.0), np.zeros(len(means))
    step, begin = np.zeros(len(means), np.int64), 0
    for block in values.blocks():
        apart = np.abs(block.astype(np.float64) - means)
        number += (apart > FAR * np.where(np.array(deviations) > 0, deviations, np.inf)).sum(0)
        place, columns = apart.argmax(0), np.arange(len(means))
        is_further = apart[place, columns] > distance
        distance = np.where(is_further, apart[place, columns], distance)
        furthest = np.where(is_further, block[place, columns], furthest)
        step, begin = np.where(is_further, begin + place, step), begin + len(block)
    found = list[Far]()
    for c in range(len(means)) if values.num_steps >= FEWEST else ():
        mean, deviation = _others(values.column(c), int(step[c]))
        z = abs(float(furthest[c]) - mean) / (deviation or deviations[c] or 1.0)
        if number[c] or (z > FAR and deviation > 0):
            found.append(Far(c, float(furthest[c]), z, max(1, int(number[c])), int(step[c])))
    return found


def _others(column: Stretches, step: int) -> tuple[float, float]:
    """Mean and standard deviation of all steps but one."""

    def blocks() -> Iterator[Float[np.ndarray, " T"]]:
        begin = 0
        for block in column.blocks():
            is_here = begin <= step < begin + len(block)
            yield np.delete(block, step - begin) if is_here else block
            begin += len(block)

    mean, deviation = moments(blocks)
    return float(mean), float(deviation)
