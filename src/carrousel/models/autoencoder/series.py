"""Series of numbers, whole or in part, and the windows they are cut into."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float32, Int64

from carrousel.data.ragged import Ragged
from carrousel.data.stretches import Stretches
from carrousel.errors import DataError


@dataclass(frozen=True, eq=False)
class Series:
    """Series of the same channels, in memory or mapped from files.

    Attributes:
        values: (T, D) each.
        labels: (T,) each, true where a step is an anomaly; None where nobody knows.
        names: of the series.
        channels: names of the channels.
        source: where it all comes from, in a few words.
        first_steps: number of the first step of each series in the user's data.
        report: what was skipped while reading; empty when nothing was.
        lines: (T,) each, where in the file a step stands; None where there is no file.
        unit: what lines are counted in, "line" or "row".
        told: where values are kept, as a sentence; empty in memory.
    """

    values: Stretches
    labels: Stretches | None
    names: Sequence[str]
    channels: Sequence[str]
    source: str
    first_steps: Sequence[int]
    report: str = ""
    lines: Stretches | None = None
    unit: str = "line"
    told: str = ""

    @property
    def num_steps(self) -> int:
        """Steps of all series."""
        return self.values.num_steps

    def at(self, step: int) -> str:
        """Where a step stands, counted through all series: by its line, or by its series and number."""
        ends = np.cumsum(self.values.lengths)
        k = int(np.searchsorted(ends, step, "right"))
        own = step - int(ends[k] - self.values.lengths[k])
        if self.lines is not None:
            return f"{self.unit} {int(self.lines[k][own]):,}"
        return f"{self.names[k]}, step {self.first_steps[k] + own:,}"

    def split(self, part: float, window: int, where: str) -> tuple["Series", "Series"]:
        """The beginning of every series, and its last part, from which no window reaches into the other; views.

        Raises:
            DataError: a part has no window.
        """
        lengths = self.values.lengths
        cuts = np.array([int(length * (1 - part)) for length in lengths.tolist()], np.int64)
        first, last = self._cut(cuts * 0, cuts), self._cut(cuts, lengths)
        for some, what in ((first, "training"), (last, "held-out")):
            if some.values.lengths.max(initial=0) < 2:
                raise DataError(
                    f"{where}: {self.source} has {self.num_steps:,} steps, expected enough for a {what} part with windows of "
                    f"{window}. Give longer series."
                )
        return first, last

    def _cut(self, begins: Int64[np.ndarray, " K"], ends: Int64[np.ndarray, " K"]) -> "Series":
        values, labels, lines = (
            None if part is None else part.cut(begins, ends) for part in (self.values, self.labels, self.lines)
        )
        firsts = [first + begin for first, begin in zip(self.first_steps, begins.tolist(), strict=True)]
        assert values is not None
        return replace(self, values=values, labels=labels, lines=lines, first_steps=firsts)


def of_objects(data: Any, where: str) -> Series:
    """Arrays (T, D) or (T,), one a series; or a pair of a list of them and one of arrays (T,) that are true at anomalies.

    Raises:
        DataError: no arrays of numbers, or channels that differ.
    """
    labels: Any = None
    pair = cast(tuple[Any, ...], data) if isinstance(data, tuple) else ()
    if len(pair) == 2 and isinstance(pair[0], list):
        data, labels = pair
    given: list[Any] = [data] if isinstance(data, np.ndarray) else list(cast(Any, data))
    arrays = [_series(one) for one in given]
    widths = sorted({array.shape[1] for array in arrays})
    if len(widths) != 1 or not all(np.isfinite(array).all() for array in arrays):
        raise DataError(
            f"{where}: data has series with {' and '.join(map(str, widths)) or 'no'} channels, expected finite arrays (T, D) with "
            "the same D. Give one array a series."
        )
    names = [f"series {k}" for k in range(len(arrays))]
    marked = None if labels is None else Stretches.of(Ragged.of([np.asarray(one, bool) for one in labels]))
    channels = [f"channel {k}" for k in range(widths[0])]
    return Series(Stretches.of(Ragged.of(arrays)), marked, names, channels, "Python objects", [0] * len(arrays))


def windows_of(series: Series, window: int, stride: int) -> Int64[np.ndarray, "N 3"]:
    """Series, first step and length of every window; the last one of a series ends with it."""
    found = [np.zeros((0, 3), np.int64)]
    for k, length in enumerate(series.values.lengths.tolist()):
        if length < 2:
            continue
        starts = np.arange(0, max(1, length - window + 1), stride)
        if starts[-1] + window < length:
            starts = np.append(starts, length - window)
        starts = starts[length - starts >= 2]
        found.append(np.stack([np.full_like(starts, k), starts, np.minimum(window, length - starts)], 1))
    return np.concatenate(found)


def batch_of(
    series: Series, windows: Int64[np.ndarray, "B 3"]
) -> tuple[Float32[np.ndarray, "T B D"], Int64[np.ndarray, " B"]]:
    """These windows side by side, and their lengths; zeros past the end of one."""
    lengths = windows[:, 2]
    batch = np.zeros((int(lengths.max()), len(windows), series.values.values.shape[1]), np.float32)
    for b, (k, start, length) in enumerate(windows.tolist()):
        batch[:length, b] = series.values[k][start : start + length]
    return batch, lengths


def marks_of(series: Series) -> Bool[np.ndarray, " N"]:
    """Whether each step of each series is an anomaly, all in one array."""
    assert series.labels is not None
    return np.concatenate([np.zeros(0, bool), *series.labels])


def _series(one: Any) -> Float32[np.ndarray, "T D"]:
    array = np.asarray(one, np.float32)
    return array[:, None] if array.ndim == 1 else array
