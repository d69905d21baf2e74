"""The rows of a long table of series, read one by one into compact columns."""

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from carrousel.data.faults import Faults, LineFault
from carrousel.data.frequency import read_stamp, write_stamp
from carrousel.data.readers.tables import Source
from carrousel.errors import ConfigError, DataError

MISSING = {"", "na", "nan", "null", "none"}


@dataclass(frozen=True)
class SeriesColumns:
    """Which column is what.

    Attributes:
        unique_id: names the series; a table without this column is one series.
        ds: time stamp, or number of the step.
        y: what is to be forecast.
        past: covariates that are known up to the present only, such as a measured temperature.
        future: covariates that are known ahead, such as a price list or a holiday.
        date_format: of ds, as datetime.strptime reads it, such as "%d.%m.%Y"; None for ISO 8601.
    """

    unique_id: str = "unique_id"
    ds: str = "ds"
    y: str = "y"
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    date_format: str | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """The columns of numbers: y, then the past covariates, then the future ones."""
        return (self.y, *self.past, *self.future)


@dataclass
class Rows:
    """Rows as they come, in compact columns."""

    num_channels: int
    series: dict[str, int] = field(default_factory=dict[str, int])
    ids: "array[int]" = field(default_factory=lambda: array("q"))
    stamps: "array[int]" = field(default_factory=lambda: array("q"))
    cells: "array[float]" = field(default_factory=lambda: array("d"))
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    is_number: bool | None = None

    def add(self, line: int, name: object, ds: object, cells: Sequence[object], columns: SeriesColumns) -> None:
        """One row.

        Raises:
            LineFault: a cell cannot be read.
        """
        numbers = [read_number(cell, column) for cell, column in zip(cells, columns.channels, strict=True)]
        try:
            stamp, is_number = read_stamp(ds, columns.date_format)
        except (ValueError, OverflowError):
            form = f"as {columns.date_format} says" if columns.date_format else "such as 2024-03-01 05:00:00"
            raise LineFault(f"has {ds!r} in the column {columns.ds}", f"a time {form}") from None
        if self.is_number not in (None, is_number):
            sort = "the number of a step" if self.is_number else "a time"
            raise LineFault(f"has {ds!r} in the column {columns.ds}", f"{sort}, as in the rows before")
        text = "" if name is None else str(name).strip()
        if not text:
            raise LineFault(f"has an empty {columns.unique_id}", "the name of a series")
        self.is_number = is_number
        self.ids.append(self.series.setdefault(text, len(self.series)))
        self.stamps.append(stamp)
        self.cells.extend(numbers)
        self.lines.append(line)


@dataclass(frozen=True)
class Place:
    """What errors name."""

    where: str
    table: Source
    columns: SeriesColumns
    rows: Rows

    def line(self, row: int) -> str:
        return f"{self.table.name}, {self.table.unit} {self.rows.lines[row]:,}"

    def step(self, row: int) -> str:
        """Series and time of a row."""
        name = list(self.rows.series)[self.rows.ids[row]]
        return f"series {name!r} at {write_stamp(self.rows.stamps[row], bool(self.rows.is_number))}"


def read_rows(table: Source, columns: SeriesColumns, faults: Faults) -> Rows:
    """All good rows of a table; errors as `parsed_rows`."""
    rows = Rows(len(columns.channels))
    for _ in parsed_rows(table, columns, faults, rows):
        pass
    return rows


def parsed_rows(table: Source, columns: SeriesColumns, faults: Faults, rows: Rows) -> Iterator[None]:
    """Read one good row after the other into `rows`, of which a reader may take out what it has seen.

    Raises:
        ConfigError: a column has two uses.
        DataError: the table lacks a column, has no row, or a malformed one.
    """
    where, has_id = faults.where, columns.unique_id in table.columns
    wanted = ([columns.unique_id] if has_id else []) + [columns.ds, *columns.channels]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise DataError(
            f"{where}: {table.name} has no column {missing[0]!r}, expected one; it has {', '.join(table.columns)}. "
            "Name the columns in the settings."
        )
    repeated = [name for name in wanted if wanted.count(name) > 1]
    if repeated:
        raise ConfigError(f"{where}: the column {repeated[0]!r} has two uses, expected one. Name each column once.")
    for line, cells in table.rows(wanted, faults):
        name, ds, *numbers = cells if has_id else ("series", *cells)
        try:
            rows.add(line, name, ds, numbers, columns)
        except LineFault as fault:
            faults.add(table.name, line, fault.what, fault.expected)
        else:
            yield
    if not rows.series:
        raise DataError(f"{where}: {table.name} has no rows, expected some. Check the file.")


def read_number(value: Any, column: str) -> float:
    """A cell as a number; NaN where it is empty.

    Raises:
        LineFault: it is no finite number.
    """
    if value is None:
        return math.nan
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.lower() in MISSING:
        return math.nan
    try:
        number = float(text)
    except (TypeError, ValueError):
        raise LineFault(f"has {text!r} in the column {column}", "a number") from None
    if abs(number) > float(np.finfo(np.float32).max):  # which networks compute in; infinities are beyond it, too
        raise LineFault(f"has {text!r} in the column {column}", "a finite number")
    return number
