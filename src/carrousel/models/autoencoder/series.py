"""Series of numbers from a table or from Python objects, cut into windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Float32, Int64

from carrousel.data.faults import Faults
from carrousel.data.ragged import Ragged
from carrousel.data.readers.rows import header_of, read_rows
from carrousel.errors import ConfigError, DataError

LARGEST = float(np.finfo(np.float32).max)
"""beyond it a number does not stay finite"""


@dataclass(frozen=True, eq=False)
class Series:
    """Series of the same channels.

    Attributes:
        values: (T, D) each.
        labels: (T,) each, true where a step is an anomaly; None where nobody knows.
        names: of the series.
        channels: names of the channels.
        source: where it all comes from, in a few words.
        first_steps: number of the first step of each series in the user's data.
        report: what was skipped while reading; empty when nothing was.
    """

    values: Ragged
    labels: Ragged | None
    names: Sequence[str]
    channels: Sequence[str]
    source: str
    first_steps: Sequence[int]
    report: str = ""

    @property
    def num_steps(self) -> int:
        """Steps of all series."""
        return len(self.values.values)

    def split(self, part: float, window: int, where: str) -> tuple["Series", "Series"]:
        """The beginning of every series, and its last part, from which no window reaches into the other.

        Raises:
            DataError: a part has no window.
        """
        cuts = [int(length * (1 - part)) for length in self.values.lengths]
        first, last = self._cut([(0, cut) for cut in cuts]), self._cut([(cut, None) for cut in cuts])
        for some, what in ((first, "training"), (last, "held-out")):
            if some.values.lengths.max(initial=0) < 2:
                raise DataError(
                    f"{where}: {self.source} has {self.num_steps:,} steps, expected enough for a {what} part with windows of "
                    f"{window}. Give longer series."
                )
        return first, last

    def _cut(self, places: Sequence[tuple[int, int | None]]) -> "Series":
        values = Ragged.of([self.values[k][a:b] for k, (a, b) in enumerate(places)])
        labels = None if self.labels is None else Ragged.of([self.labels[k][a:b] for k, (a, b) in enumerate(places)])
        firsts = [first + a for first, (a, _) in zip(self.first_steps, places, strict=True)]
        return Series(values, labels, self.names, self.channels, self.source, firsts)


def read_series(path: Path, columns: Any, where: str, *, is_labelled: bool = True, skip_bad: bool = False) -> Series:
    """The series in a table, one row a time step.

    Args:
        columns: an object with the attributes columns, series and label, as the settings have them.
        is_labelled: whether the label column is read.

    Raises:
        ConfigError: a column that the table lacks, or no column of numbers.
        DataError: the file cannot be used, or has a malformed row.
    """
    label = columns.label if is_labelled else None
    apart = [name for name in (columns.series, columns.label) if name]
    channels = columns.columns or [name for name in header_of(path, where) if name not in apart]
    if not channels:
        raise ConfigError(
            f"{where}: {path} has no column of numbers, expected at least one. Name them: data.columns=[...]"
        )
    faults = Faults(where, skip_bad)
    wanted = [*channels, *(name for name in (columns.series, label) if name)]
    rows: dict[str, list[list[float]]] = {}
    marks: dict[str, list[bool]] = {}
    for row in read_rows(path, wanted, faults):
        numbers = [_number(text) for text in row.values[: len(channels)]]
        bad = [
            (name, text) for name, text, number in zip(channels, row.values, numbers, strict=False) if number is None
        ]
        mark = str(row.values[-1]).strip() if label else "0"
        if bad:
            faults.add(path, row.number, f"has {bad[0][1]!r} in column {bad[0][0]!r}", "a finite number")
            continue
        if mark not in ("0", "1", "0.0", "1.0", "True", "False"):
            faults.add(path, row.number, f"has {mark!r} in column {label!r}", "0 or 1")
            continue
        name = str(row.values[len(channels)]) if columns.series else "series"
        rows.setdefault(name, []).append(cast(list[float], numbers))
        marks.setdefault(name, []).append(mark in ("1", "1.0", "True"))
    if not rows:
        raise DataError(
            f"{where}: {path} has no row, expected at least one time step. Check that it is the right file."
        )
    values = Ragged.of([np.array(found, np.float32) for found in rows.values()])
    labels = Ragged.of([np.array(found, bool) for found in marks.values()]) if label else None
    report = faults.report() if faults.skipped else ""
    return Series(values, labels, list(rows), list(channels), str(path), [0] * len(rows), report)


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
    marked = None if labels is None else Ragged.of([np.asarray(one, bool) for one in labels])
    channels = [f"channel {k}" for k in range(widths[0])]
    return Series(Ragged.of(arrays), marked, names, channels, "Python objects", [0] * len(arrays))


def windows_of(series: Series, window: int, stride: int) -> Int64[np.ndarray, "N 3"]:
    """Series, first step and length of every window; the last one of a series ends with it."""
    found: list[tuple[int, int, int]] = []
    for k, length in enumerate(series.values.lengths.tolist()):
        starts = list(range(0, max(1, length - window + 1), stride))
        if starts[-1] + window < length:
            starts.append(length - window)
        found += [(k, start, min(window, length - start)) for start in starts if length - start >= 2]
    return np.array(found, np.int64).reshape(-1, 3)


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
    """Whether each step of each series is an anomaly."""
    assert series.labels is not None
    return series.labels.values


def _series(one: Any) -> Float32[np.ndarray, "T D"]:
    array = np.asarray(one, np.float32)
    return array[:, None] if array.ndim == 1 else array


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) <= LARGEST else None
