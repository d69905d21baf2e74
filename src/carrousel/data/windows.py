"""Windows of ragged series: a context that is read and a horizon that is forecast, and splits of the series by time.

    series   |---------- context ----------|---- horizon ----|
                                           ^ origin: the first step to forecast

A window is two numbers, series and origin. Values are read when a batch is made, from memory or from a mapped file.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, Integer, Shaped

from carrousel.data.frequency import Frequency
from carrousel.errors import ConfigError


class Windows:
    """All windows whose horizon lies in a given part of each series; the context may begin before that part.

    Windows are numbered series by series, by rising origin.

    Args:
        offsets: of the series in their array of values, as `Ragged.offsets`.
        context: steps read, at most.
        horizon: steps to forecast.
        begins: first step of each series that may be forecast; 0 when left out.
        ends: step of each series at which what may be forecast ends; its length when left out.
        min_context: steps that must be there to be read; `context` when left out. Windows near a series' start read fewer.
        stride: steps from one origin to the next; 1 gives every window, `horizon` each step once.

    Raises:
        ConfigError: a size is out of range.

    >>> windows = Windows(np.array([0, 6, 12]), context=3, horizon=2)
    >>> len(windows), windows.places(np.array([0, 2]))
    (4, (array([0, 1]), array([3, 3])))
    >>> windows.contexts(np.arange(12), np.array([1, 2])).T.tolist()
    [[1, 2, 3], [6, 7, 8]]
    """

    def __init__(
        self,
        offsets: Int64[np.ndarray, " num_offsets"],
        context: int,
        horizon: int,
        *,
        begins: Int64[np.ndarray, " num_series"] | None = None,
        ends: Int64[np.ndarray, " num_series"] | None = None,
        min_context: int | None = None,
        stride: int = 1,
    ) -> None:
        least = context if min_context is None else min_context
        for name, value in (("context", context), ("horizon", horizon), ("stride", stride), ("min_context", least)):
            if value < 1:
                raise ConfigError(f"Windows: {name} is {value}, expected at least 1. Give a positive {name}.")
        if least > context:
            raise ConfigError(f"Windows: min_context is {least}, expected at most context, {context}. Lower it.")
        lengths = np.diff(offsets)
        self.offsets, self.context, self.horizon, self.stride = offsets, context, horizon, stride
        self.firsts = np.maximum(least, np.zeros_like(lengths) if begins is None else begins)
        lasts = (lengths if ends is None else np.minimum(ends, lengths)) - horizon
        counts = np.maximum(0, (lasts - self.firsts) // stride + 1)
        self.numbers = np.append(0, np.cumsum(counts))

    def __len__(self) -> int:
        """Number of windows."""
        return int(self.numbers[-1])

    def places(self, rows: Integer[np.ndarray, " B"]) -> tuple[Int64[np.ndarray, " B"], Int64[np.ndarray, " B"]]:
        """Series and origin of these windows."""
        series = np.searchsorted(self.numbers, rows, side="right") - 1
        return series, self.firsts[series] + (rows - self.numbers[series]) * self.stride

    def lengths(self, rows: Integer[np.ndarray, " B"]) -> Int64[np.ndarray, " B"]:
        """Steps read in these windows: `context`, or fewer near the start of a series."""
        return np.minimum(self.context, self.places(rows)[1])

    def contexts(
        self, values: Shaped[np.ndarray, "N *features"], rows: Integer[np.ndarray, " B"]
    ) -> Shaped[np.ndarray, "T B *features"]:
        """What is read, time first; a row with fewer than `context` steps is followed by zeros."""
        series, origins = self.places(rows)
        lengths = np.minimum(self.context, origins)
        steps = np.arange(int(lengths.max(initial=0)))[:, None]
        is_there = steps < lengths
        found = values[np.where(is_there, self.offsets[series] + origins - lengths + steps, 0)]
        if not is_there.all():
            found[~is_there] = 0
        return found

    def horizons(
        self, values: Shaped[np.ndarray, "N *features"], rows: Integer[np.ndarray, " B"]
    ) -> Shaped[np.ndarray, "horizon B *features"]:
        """What is to be forecast, time first."""
        series, origins = self.places(rows)
        return values[self.offsets[series] + origins + np.arange(self.horizon)[:, None]]


class Split(NamedTuple):
    """Step of each series at which a part ends: training before `train_ends`, validation up to `valid_ends`, then the test."""

    train_ends: Int64[np.ndarray, " num_series"]
    valid_ends: Int64[np.ndarray, " num_series"]
    valid_from: int | None  # time stamp of the first step that is not for training; None where there is none
    test_from: int | None  # time stamp of the first step of the test


def split_by_time(
    starts: Int64[np.ndarray, " num_series"],
    lengths: Int64[np.ndarray, " num_series"],
    frequency: Frequency,
    valid: int | float = 0.1,
    test: int | float = 0.1,
    where: str = "split_by_time",
) -> Split:
    """One date for all series at which validation begins, and one for the test: nothing before a date was seen after it.

    Args:
        starts: time stamp of each series' first step.
        lengths: steps of each series.
        frequency: of all series.
        valid: first time stamp for validation (an int), or the part of the whole time (a float below 1, 0 for none).
        test: likewise for the test, which comes last.

    Raises:
        ConfigError: the parts leave nothing to train on, or the test begins before validation.
    """
    first = int(starts.min())
    ends = [
        int(frequency.stamps(int(start), np.array([length]))[0]) for start, length in zip(starts, lengths, strict=True)
    ]
    num_steps = int(frequency.index(np.array([max(ends)]), first)[0][0])
    for name, part in (("valid", valid), ("test", test)):
        if isinstance(part, float) and not 0 <= part < 1:
            raise ConfigError(f"{where}: {name} is {part}, expected a part, 0 to 1, or a date. Choose one in range.")
    shares = [part if isinstance(part, float) else 0.0 for part in (valid, test)]

    def stamp(part: int | float, share: float) -> int:
        step = num_steps - round(num_steps * share)
        return part if isinstance(part, int) else int(frequency.stamps(first, np.array([step]))[0])

    test_from = stamp(test, shares[1])
    if isinstance(test, int) and isinstance(
        valid, float
    ):  # the validation part lies before the test, wherever that begins
        step = int(frequency.index(np.array([test]), first)[0][0])
        valid_from = int(frequency.stamps(first, np.array([step - round(num_steps * valid)]))[0])
    else:
        valid_from = stamp(valid, sum(shares))
    if not first < valid_from <= test_from:
        raise ConfigError(
            f"{where}: validation begins at step {_step(frequency, first, valid_from):,} and the test at step "
            f"{_step(frequency, first, test_from):,} of {num_steps:,}, expected training first, then validation, then the test. "
            "Change valid or test."
        )
    last = max(ends)
    return Split(
        cut_steps(starts, lengths, frequency, valid_from),
        cut_steps(starts, lengths, frequency, test_from),
        valid_from if valid_from < last else None,
        test_from if test_from < last else None,
    )


def cut_steps(
    starts: Int64[np.ndarray, " num_series"],
    lengths: Int64[np.ndarray, " num_series"],
    frequency: Frequency,
    stamp: int,
) -> Int64[np.ndarray, " num_series"]:
    """For each series its first step at or after a time stamp; its length where all its steps come before."""
    steps = np.array([_step(frequency, int(start), stamp) for start in starts], np.int64)
    return np.clip(steps, 0, lengths)


def _step(frequency: Frequency, start: int, stamp: int) -> int:
    """The first step at or after a stamp."""
    step = int(frequency.index(np.array([stamp]), start)[0][0])
    return step + int(frequency.stamps(start, np.array([step]))[0] < stamp)
