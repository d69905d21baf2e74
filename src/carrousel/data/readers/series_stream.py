"""Long tables of series read in bounded memory: the rows of a series stand together, and none comes before an earlier time.

The rows are read once and kept as numbers; everything else, the frequency, repeated times, gaps, is found in passes over these,
some rows at a time. What comes out, values and findings, is what `read_series` gives of the same table in memory.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from jaxtyping import Float64, Int64

from carrousel.data.faults import Faults
from carrousel.data.frequency import Frequency, write_stamp
from carrousel.data.kept import Appends, Kept, Writer
from carrousel.data.readers.series_grid import (
    checked_gaps,
    merged_rows,
    refused_repeat,
    told_empty,
    told_gaps,
    told_repeats,
)
from carrousel.data.readers.series_rows import Rows, SeriesColumns, parsed_rows
from carrousel.data.readers.tables import Source
from carrousel.errors import DataError

BLOCK = 1 << 14
"""Rows looked at together."""


class UnorderedError(Exception):
    """A row belongs before one that has been read.

    Attributes:
        line: its number.
        what: series and time of it, and why it does not belong there, in words.
    """

    def __init__(self, line: int, what: str) -> None:
        super().__init__(line, what)
        self.line, self.what = line, what


@dataclass
class RawRows:
    """The rows of a table as they stand, kept as numbers.

    Attributes:
        stamps, lines, cells: of each row.
        ends: of the rows of each series.
        names: of the series.
        is_number: stamps are plain numbers.
    """

    stamps: Int64[np.ndarray, " N"]
    lines: Int64[np.ndarray, " N"]
    cells: Float64[np.ndarray, "N C"]
    ends: Int64[np.ndarray, " K"]
    names: tuple[str, ...]
    is_number: bool

    @classmethod
    def of(cls, found: Kept) -> "RawRows":
        """What `write_rows` wrote."""
        stamps, lines, cells, ends = (np.asarray(found[name].values) for name in ("stamps", "lines", "cells", "ends"))
        return cls(stamps, lines, cells, ends, tuple(found.description["names"]), found.description["is_number"])

    @property
    def begins(self) -> Int64[np.ndarray, " K"]:
        """Of the rows of each series."""
        return np.append(0, self.ends[:-1])

    def blocks(self) -> Iterator[tuple[int, int, int]]:
        """Series, first row and end of some rows; those of one series and time come together."""
        for k, (begin, end) in enumerate(zip(self.begins.tolist(), self.ends.tolist(), strict=True)):
            while begin < end:
                until = min(begin + BLOCK, end)
                while until < end and self.stamps[until] == self.stamps[until - 1]:
                    until += 1
                yield k, begin, until
                begin = until

    def stretches(self) -> Iterator[Int64[np.ndarray, " T"]]:
        """The times of each series without repeated ones, some at a time, each lot from the last one of the lot before."""
        for k, begin, until in self.blocks():
            yield np.unique(self.stamps[max(begin - 1, int(self.begins[k])) : until])

    def step(self, k: int, row: int) -> str:
        """Series and time of a row."""
        return f"series {self.names[k]!r} at {write_stamp(int(self.stamps[row]), self.is_number)}"


def write_rows(writer: Writer, table: Source, columns: SeriesColumns, faults: Faults) -> Mapping[str, Any]:
    """The rows of a table, some at a time.

    Raises:
        UnorderedError: a row is not where it belongs.
        DataError: as `read_series`.
    """
    rows, last = Rows(len(columns.channels)), _Last()
    with ExitStack() as stack:
        stamps, lines, ends = (
            stack.enter_context(writer.array(name, np.int64)) for name in ("stamps", "lines", "ends")
        )
        cells = stack.enter_context(writer.array("cells", np.float64, (rows.num_channels,)))
        for _ in parsed_rows(table, columns, faults, rows):
            if len(rows.ids) == BLOCK:
                _flush(rows, last, (stamps, lines, cells), ends)
        _flush(rows, last, (stamps, lines, cells), ends)
        ends.append(np.array([last.num_rows], np.int64))
    return {"names": list(rows.series), "is_number": bool(rows.is_number)}


@dataclass
class _Last:
    series: int = 0
    stamp: int | None = None
    num_rows: int = 0


def _flush(rows: Rows, last: _Last, arrays: tuple[Appends, Appends, Appends], ends: Appends) -> None:
    """Write the rows at hand and forget them."""
    if not rows.ids:
        return
    ids, stamps = np.array(rows.ids, np.int64), np.array(rows.stamps, np.int64)
    before = np.append(last.series, ids[:-1])
    earlier = np.append(stamps[0] if last.stamp is None else last.stamp, stamps[:-1])
    is_late = (ids < before) | ((ids == before) & (stamps < earlier))
    if is_late.any():
        row = int(is_late.argmax())
        name = list(rows.series)[rows.ids[row]]
        time = write_stamp(rows.stamps[row], bool(rows.is_number))
        why = "after rows of another series" if ids[row] < before[row] else "after a later time"
        raise UnorderedError(rows.lines[row], f"has series {name!r} at {time} {why}")
    ends.append(last.num_rows + np.flatnonzero(ids > before))
    arrays[0].append(stamps)
    arrays[1].append(np.array(rows.lines, np.int64))
    arrays[2].append(np.array(rows.cells, np.float64).reshape(-1, rows.num_channels))
    last.series, last.stamp, last.num_rows = int(ids[-1]), int(stamps[-1]), last.num_rows + len(ids)
    for column in (rows.ids, rows.stamps, rows.cells, rows.lines):
        del column[:]


@dataclass
class Streamed:
    """Rows on their regular time axis, in passes over the rows.

    Attributes:
        where, table, columns: what errors name.
        raw: the rows.
        frequency: of all series.
        duplicates: what becomes of rows of the same series and time.
    """

    where: str
    table: Source
    columns: SeriesColumns
    raw: RawRows
    frequency: Frequency
    duplicates: str
    num_rows: int = 0  # without repeated ones
    num_repeated: int = 0
    first_repeated: int | None = None
    num_missing: int = 0
    num_gaps: int = 0
    first_gap: tuple[int, int, int, int] = (
        0,
        0,
        0,
        0,
    )  # series, row, steps without a row before it, and the step before these
    num_empty: list[int] = field(default_factory=list[int])  # of each column

    def lengths(self) -> Int64[np.ndarray, " K"]:
        """Steps of each series."""
        firsts, lasts = self.raw.stamps[self.raw.begins], self.raw.stamps[self.raw.ends - 1]
        return self.frequency.index(lasts, firsts)[0] + 1

    def look(self, gaps: str) -> list[str]:
        """What there is to find, in sentences.

        Raises:
            DataError: a time between two steps, repeated times or gaps that are refused, or gaps too large to fill.
        """
        num_empty = np.zeros(self.raw.cells.shape[1], np.int64)
        before, series = 0, -1
        for k, rows, steps, cells in self._merged():
            apart = np.diff(steps, prepend=before if k == series else -1) - 1
            if apart.any():
                first = int((apart > 0).argmax())
                if not self.num_gaps:
                    self.first_gap = k, int(rows[first]), int(apart[first]), int(steps[first] - apart[first] - 1)
                self.num_missing += int(apart.sum())
                self.num_gaps += int((apart > 0).sum())
            self.num_rows += len(rows)
            num_empty += np.isnan(cells).sum(0)
            before, series = int(steps[-1]), k
        told, self.num_empty = list[str](), cast(list[int], num_empty.tolist())
        if self.first_repeated is not None:
            told.append(told_repeats(self.num_repeated, self.duplicates, self._line(self.first_repeated)))
        if self.num_gaps:
            k, row, first, step = self.first_gap
            stamp = self.frequency.stamps(int(self.raw.stamps[self.raw.begins[k]]), np.array([step]))
            before = write_stamp(int(stamp[0]), self.raw.is_number)
            after = f"{self.raw.step(k, row)} ({self._line(row)})"
            what = told_gaps(self.frequency, self.num_missing, self.num_gaps, first, before, after)
            told.append(checked_gaps(self.where, what, gaps, self.num_rows + self.num_missing, self.num_rows))
        return told + told_empty(self.columns, self.num_empty)

    def write(self, values: Appends) -> None:
        """Write the values of all series, step by step, NaN where there is no row."""
        before, series = 0, -1
        for k, _, steps, cells in self._merged():
            first = before + 1 if k == series else 0
            part = np.full((int(steps[-1]) + 1 - first, cells.shape[1]), np.nan)
            part[steps - first] = cells
            values.append(part)
            before, series = int(steps[-1]), k

    def _merged(
        self,
    ) -> Iterator[tuple[int, Int64[np.ndarray, " T"], Int64[np.ndarray, " T"], Float64[np.ndarray, "T C"]]]:
        """Series, rows, their steps and their cells, one row a time; some at a time."""
        raw, begins = self.raw, self.raw.begins
        for k, begin, end in raw.blocks():
            stamps, cells = raw.stamps[begin:end], raw.cells[begin:end]
            steps, is_on_grid = self.frequency.index(stamps, int(raw.stamps[begins[k]]))
            if not is_on_grid.all():
                row = begin + int(is_on_grid.argmin())
                raise DataError(
                    f"{self.where}: {self._line(row)} has {raw.step(k, row)}, which is no whole number of steps of "
                    f"{self.frequency} after the series' first, expected a regular frequency. Correct the time, resample the data, "
                    "or give the frequency."
                )
            is_new = np.append(True, stamps[1:] != stamps[:-1])
            rows = np.arange(begin, end)
            if not is_new.all():
                row = begin + int(is_new.argmin())
                if self.duplicates == "refuse":
                    raise DataError(
                        refused_repeat(
                            self.where, self.table, self._line(row), raw.step(k, row), int(raw.lines[row - 1])
                        )
                    )
                self.first_repeated = row if self.first_repeated is None else self.first_repeated
                self.num_repeated += int((~is_new).sum())
                places, cells = merged_rows(cells, is_new, self.duplicates)
                rows, steps = rows[places], steps[is_new]
            yield k, rows, steps, cells

    def _line(self, row: int) -> str:
        return f"{self.table.name}, {self.table.unit} {int(self.raw.lines[row]):,}"
