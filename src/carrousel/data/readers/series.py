"""Long tables of time series: one row a series and time, `unique_id, ds, y` and further columns.

    unique_id,ds,y,temperature
    north,2024-01-01 00:00:00,1300.6,-2.5
    north,2024-01-01 01:00:00,1404.5,-2.8

From CSV (TSV by its name), JSONL or Parquet files, or from a frame of pandas, polars or pyarrow. What is done about

- rows out of order: they are sorted by series and time, and `SeriesTable.findings` says how many there were;
- two rows of one series and time: an error that names both, or one row of them, as `duplicates` says;
- steps without a row: the frequency is inferred or given, and such steps are filled with NaN, or are an error, as `gaps` says;
- empty cells, and NA, NaN, null, None: NaN, counted by column;
- numbers and times that cannot be read, and infinite numbers: an error with file and line, or with `skip_bad` counted and left out;
- no column `unique_id`: all rows are one series, "series".
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from carrousel.data.faults import Faults
from carrousel.data.frequency import Frequency, infer, read_stamp, write_stamp
from carrousel.data.ragged import Ragged
from carrousel.data.readers.series_grid import merge_duplicates, put_on_grid, sort_rows
from carrousel.data.readers.series_rows import Place, SeriesColumns, read_number, read_rows
from carrousel.data.readers.tables import open_table
from carrousel.errors import ConfigError, DataError

__all__ = ["SeriesColumns", "SeriesTable", "read_number", "read_series"]

DUPLICATES = ("refuse", "mean", "sum", "first", "last")
GAPS = ("fill", "refuse")


@dataclass(frozen=True, eq=False)
class SeriesTable:
    """Regular time series with covariates.

    Attributes:
        values: (num_steps, num_channels), NaN where nothing was observed; `columns.channels` names the channels.
        names: of the series, in the order in which they first come.
        starts: time stamp of each series' first step; step k comes k times `frequency` after it.
        frequency: of all series.
        columns: which column was what.
        findings: what was met and done about it, in sentences.
        source: of the data, in a word or a path.
    """

    values: Ragged
    names: tuple[str, ...]
    starts: Int64[np.ndarray, " num_series"]
    frequency: Frequency
    columns: SeriesColumns
    findings: tuple[str, ...] = ()
    source: str = "table"

    def __len__(self) -> int:
        """Number of series."""
        return len(self.names)

    def stamps(self, k: int) -> Int64[np.ndarray, " T"]:
        """Time stamps of series k."""
        return self.frequency.stamps(int(self.starts[k]), np.arange(int(self.values.lengths[k])))

    def text(self, stamp: int) -> str:
        """A time stamp as text."""
        return write_stamp(stamp, self.frequency.unit == "number")

    def stamp(self, text: str, where: str) -> int:
        """The time stamp that a setting names.

        Raises:
            ConfigError: it is none, or of another sort than those of the table.
        """
        is_number = self.frequency.unit == "number"
        try:
            stamp, found = read_stamp(text, self.columns.date_format)
        except ValueError:
            stamp, found = 0, not is_number
        if found != is_number:
            sort = "the number of a step" if is_number else f"a time such as {self.text(int(self.starts[0]))}"
            raise ConfigError(f"{where} is {text!r}, expected {sort}.")
        return stamp


def read_series(
    source: object,
    columns: SeriesColumns | None = None,
    *,
    frequency: str | None = None,
    duplicates: str = "refuse",
    gaps: str = "fill",
    skip_bad: bool = False,
    where: str = "read_series",
) -> SeriesTable:
    """The series in a file (.csv, .tsv, .jsonl, .parquet) or in a frame of pandas, polars or pyarrow.

    Args:
        source: a path, a frame, or a mapping of column names to sequences.
        columns: which column is what.
        frequency: such as "h", "15min", "D", "MS"; None for the one that most neighbouring rows have.
        duplicates: rows of the same series and time: "refuse", or their "mean", "sum", "first" or "last".
        gaps: steps without a row: "fill" with NaN, or "refuse".
        skip_bad: count malformed rows and leave them out; if not, the first one is an error.
        where: what to name in front of an error.

    Raises:
        ConfigError: a setting is out of range, or a library for the source is missing.
        DataError: the source cannot be used; a row is named by file and line.
    """
    columns = columns or SeriesColumns()
    _check_choice(where, "duplicates", duplicates, DUPLICATES)
    _check_choice(where, "gaps", gaps, GAPS)
    given = None if frequency is None else Frequency.of(frequency, where)
    table = open_table(source, where, skip_bad)
    faults = Faults(where, skip_bad)
    rows = read_rows(table, columns, faults, where)
    findings = [f"{faults.report()}"] if faults.skipped else []
    place = Place(where, table, columns, rows)
    order = sort_rows(place, findings)
    order, cells = merge_duplicates(place, order, duplicates, findings)
    ids, stamps = np.frombuffer(rows.ids, np.int64)[order], np.frombuffer(rows.stamps, np.int64)[order]
    is_first = np.append(True, ids[1:] != ids[:-1])
    found = given or infer(stamps, is_first, bool(rows.is_number))
    if found is None:
        raise DataError(
            f"{where}: {table.name} has one step in each series, expected at least two in one. "
            "Give longer series, or say what a step is: frequency."
        )
    if (found.unit == "number") != bool(rows.is_number):
        sort = "numbers" if rows.is_number else "times"
        raise ConfigError(f"{where}: the frequency is {found}, but {columns.ds} holds {sort}. Give one that fits.")
    values = put_on_grid(place, found, order, is_first, cells, gaps, findings)
    return SeriesTable(values, tuple(rows.series), stamps[is_first], found, columns, tuple(findings), table.name)


def _check_choice(where: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{where}: {name} is {value!r}, expected one of {', '.join(choices)}. Choose one.")
