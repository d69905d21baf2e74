"""Means, deviations and quantiles of more numbers than memory holds, block by block.

Numbers that come in one block give what NumPy gives for them, bit for bit; of several, sums are taken block by block, and differ
from those of one in rounding alone. Quantiles are exact in any case.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float64, Int64, UInt64

Blocks = Callable[[], Iterator[Float[np.ndarray, "T *features"]]]
"""The numbers from the first each time it is called; there is at least one."""

DIGIT = 16  # bits that one pass of the selection settles
_PART = 1 << 16
"""Numbers that the selection takes at a time."""


def moments(blocks: Blocks) -> tuple[Float64[np.ndarray, "*features"], Float64[np.ndarray, "*features"]]:
    """Mean and standard deviation along the first axis; zeros where there are no numbers.

    >>> moments(lambda: iter([np.array([[1.0, 4.0], [3.0, 4.0]])]))
    (array([2., 4.]), array([1., 0.]))
    """
    count, total = 0, np.zeros(())
    for block in blocks():
        count, total = count + len(block), total + block.astype(np.float64).sum(0)
    mean, squares = np.asarray(total / max(1, count)), np.zeros(())
    for block in blocks():
        squares = squares + np.square(block.astype(np.float64) - mean).sum(0)
    return mean, np.asarray(np.sqrt(squares / max(1, count)))


def quantiles(blocks: Blocks, levels: Sequence[float]) -> Float64[np.ndarray, " num_levels"]:
    """As `np.quantile` gives them, of float64 numbers without NaN (T,), in memory for one block.

    Between two neighbours in order it goes in a line, as there.
    """
    numbers = blocks()
    first = next(numbers)
    second = next(numbers, None)
    if second is None:
        return np.quantile(first, levels)
    del first, second
    count = sum(len(block) for block in blocks())
    places = np.array(levels) * (count - 1)
    below = np.floor(places).astype(np.int64)
    low, high = ordered(blocks, np.concatenate([below, np.minimum(below + 1, count - 1)])).reshape(2, -1)
    return low + (high - low) * (places - below)


def ordered(blocks: Blocks, ranks: Int64[np.ndarray, " K"]) -> Float64[np.ndarray, " K"]:
    """The numbers at these places, from 0, when all are sorted; float64 without NaN (T,).

    The bits of a number, its sign turned, sort as the number does; a pass counts, for each rank, one digit of those that share
    the digits settled before. Four passes settle 64 bits.
    """
    keys, left = np.zeros(len(ranks), np.uint64), ranks.astype(np.int64)
    for shift in range(64 - DIGIT, -1, -DIGIT):
        counts = np.zeros((len(ranks), 1 << DIGIT), np.int64)
        for part in _parts(blocks):
            found = _keys(np.asarray(part, np.float64))
            digits = ((found >> np.uint64(shift)) & np.uint64((1 << DIGIT) - 1)).astype(np.int64)
            is_settled = shift == 64 - DIGIT
            for k, key in enumerate(keys):
                own = digits if is_settled else digits[found >> np.uint64(shift + DIGIT) == key]
                counts[k] += np.bincount(own, minlength=1 << DIGIT)
        sums = counts.cumsum(1)
        chosen = (sums <= left[:, None]).sum(1)
        rows = np.arange(len(ranks))
        left = left - np.where(chosen > 0, sums[rows, chosen - 1], 0)
        keys = (keys << np.uint64(DIGIT)) | chosen.astype(np.uint64)
    return _numbers(keys)


def _parts(blocks: Blocks) -> Iterator[Float[np.ndarray, " T"]]:
    """Blocks in smaller parts: what is made of one holds several times as much."""
    for block in blocks():
        yield from (block[begin : begin + _PART] for begin in range(0, len(block), _PART))


def _keys(numbers: Float64[np.ndarray, " T"]) -> UInt64[np.ndarray, " T"]:
    bits = numbers.view(np.uint64) if numbers.flags.c_contiguous else np.ascontiguousarray(numbers).view(np.uint64)
    top = np.uint64(1 << 63)
    return np.where(bits & top, ~bits, bits | top)


def _numbers(keys: UInt64[np.ndarray, " K"]) -> Float64[np.ndarray, " K"]:
    top = np.uint64(1 << 63)
    return np.where(keys & top, keys ^ top, ~keys).view(np.float64)
