"""Long tables of time series: one row a series and time, `unique_id, ds, y` and further columns.

    unique_id,ds,y,temperature
    north,2024-01-01 00:00:00,1300.6,-2.5
    north,2024-01-01 01:00:00,1404.5,-2.8

From CSV (TSV by its name), JSONL or Parquet files, or from a frame of pandas, polars or pyarrow. What is done about

- rows out of order: they are sorted by series and time, and `SeriesTable.findings` says how many there were; a file of more than
  256 MB (`kept.LARGE`) is read in bounded memory instead, and in it such a row is an error that names it;
- two rows of one series and time: an error that names both, or one row of them, as `duplicates` says;
- steps without a row: the frequency is inferred or given, and such steps are filled with NaN, or are an error, as `gaps` says;
- empty cells, and NA, NaN, null, None: NaN, counted by column;
- numbers and times that cannot be read, and infinite numbers: an error with file and line, or with `skip_bad` counted and left out;
- no column `unique_id`: all rows are one series, "series".
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from carrousel.data import kept
from carrousel.data.faults import Faults
from carrousel.data.frequency import Frequency, infer, infer_of, read_stamp, write_stamp
from carrousel.data.ragged import Ragged
from carrousel.data.readers.series_grid import merge_duplicates, put_on_grid, sort_rows
from carrousel.data.readers.series_rows import Place, SeriesColumns, read_number, read_rows
from carrousel.data.readers.series_stream import RawRows, Streamed, UnorderedError, write_rows
from carrousel.data.readers.tables import Source, open_table
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
        told: where the values are kept, as a sentence; empty in memory.
        folder: where there is room for what is made of values that are not in memory; None for that of temporary files.
        report: on malformed rows that were skipped, which `findings` has, too; empty when there was none.
    """

    values: Ragged
    names: tuple[str, ...]
    starts: Int64[np.ndarray, " num_series"]
    frequency: Frequency
    columns: SeriesColumns
    findings: tuple[str, ...] = ()
    source: str = "table"
    told: str = ""
    folder: Path | None = None
    report: str = ""

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


@dataclass(frozen=True)
class _Wanted:
    """How a table is read, as `read_series` is told."""

    columns: SeriesColumns
    frequency: str | None
    duplicates: str
    gaps: str
    skip_bad: bool
    where: str

    def frequency_of(self, table: Source, inferred: Callable[[], Frequency | None], is_number: bool) -> Frequency:
        """The one that was given, or else the inferred one.

        Raises:
            ConfigError: it does not fit the column of times.
            DataError: there is none.
        """
        given = None if self.frequency is None else Frequency.of(self.frequency, self.where)
        found = given or inferred()
        if found is None:
            raise DataError(
                f"{self.where}: {table.name} has one step in each series, expected at least two in one. "
                "Give longer series, or say what a step is: frequency."
            )
        if (found.unit == "number") != is_number:
            sort = "numbers" if is_number else "times"
            raise ConfigError(
                f"{self.where}: the frequency is {found}, but {self.columns.ds} holds {sort}. Give one that fits."
            )
        return found


def read_series(
    source: object,
    columns: SeriesColumns | None = None,
    *,
    frequency: str | None = None,
    duplicates: str = "refuse",
    gaps: str = "fill",
    skip_bad: bool = False,
    where: str = "read_series",
    store: Path | None = None,
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
        store: folder to keep the values of a file in; without one they are kept in memory, or, of a large file, in temporary files.

    Raises:
        ConfigError: a setting is out of range, or a library for the source is missing.
        DataError: the source cannot be used; a row is named by file and line.
    """
    _check_choice(where, "duplicates", duplicates, DUPLICATES)
    _check_choice(where, "gaps", gaps, GAPS)
    if frequency is not None:
        Frequency.of(frequency, where)
    wanted = _Wanted(columns or SeriesColumns(), frequency, duplicates, gaps, skip_bad, where)
    path = Path(source) if isinstance(source, (str, Path)) else None
    if path is not None and (store is not None or kept.size_of([path]) > kept.LARGE):
        return _read_kept(path, wanted, store)
    return _read_at_once(source, wanted)


def _read_at_once(source: object, wanted: _Wanted) -> SeriesTable:
    columns, where = wanted.columns, wanted.where
    table, faults = open_table(source, where, wanted.skip_bad), Faults(where, wanted.skip_bad)
    rows = read_rows(table, columns, faults)
    findings = [f"{faults.report()}"] if faults.skipped else []
    place = Place(where, table, columns, rows)
    order = sort_rows(place, findings)
    order, cells = merge_duplicates(place, order, wanted.duplicates, findings)
    ids, stamps = np.frombuffer(rows.ids, np.int64)[order], np.frombuffer(rows.stamps, np.int64)[order]
    is_first = np.append(True, ids[1:] != ids[:-1])
    is_number = bool(rows.is_number)
    found = wanted.frequency_of(table, lambda: infer(stamps, is_first, is_number), is_number)
    values = put_on_grid(place, found, order, is_first, cells, wanted.gaps, findings)
    return SeriesTable(
        values,
        tuple(rows.series),
        stamps[is_first],
        found,
        columns,
        tuple(findings),
        table.name,
        report=faults.report(),
    )


def _read_kept(path: Path, wanted: _Wanted, store: Path | None) -> SeriesTable:
    """A table whose values are mapped from files."""
    settings = {"form": "table of series", "version": 2, **asdict(wanted)}
    del settings["where"]
    folder = None if store is None else store.parent
    found = kept.kept(store, [path], settings, lambda writer: _write(writer, path, wanted, folder), wanted.where)
    said = found.description
    values, offsets = np.asarray(found["values"].values), np.append(0, np.cumsum(found["lengths"].values))
    return SeriesTable(
        Ragged(values, offsets),
        tuple(said["names"]),
        np.array(said["starts"], np.int64),
        Frequency.of(said["frequency"]),
        wanted.columns,
        tuple(said["findings"]),
        str(path),
        found.told,
        folder,
        said["report"],
    )


def _write(writer: kept.Writer, path: Path, wanted: _Wanted, folder: Path | None) -> Mapping[str, Any]:
    """Values and lengths of the series of a file, row by row; of a small one whose rows are out of order, sorted in memory."""
    table, faults = open_table(path, wanted.where, wanted.skip_bad), Faults(wanted.where, wanted.skip_bad)

    def make(writer: kept.Writer) -> Mapping[str, Any]:
        return write_rows(writer, table, wanted.columns, faults)

    try:
        raw = RawRows.of(kept.in_temporary_files(make, wanted.where, folder))
    except UnorderedError as error:
        if (size := kept.size_of([path])) <= kept.LARGE:
            return _write_at_once(writer, path, wanted)
        raise DataError(
            f"{wanted.where}: {table.name}, {table.unit} {error.line:,} {error.what}, expected the rows of a series together and "
            f"by rising time in a file of {size / 2**20:,.0f} MB: more than {kept.LARGE / 2**20:,.0f} MB are not sorted in memory. "
            "Sort the file by series and time."
        ) from None
    frequency = wanted.frequency_of(table, lambda: infer_of(raw.stretches, raw.is_number), raw.is_number)
    streamed = Streamed(wanted.where, table, wanted.columns, raw, frequency, wanted.duplicates)
    findings = [*([faults.report()] if faults.skipped else []), *streamed.look(wanted.gaps)]
    with writer.array("values", np.float64, (raw.cells.shape[1],)) as values:
        streamed.write(values)
    with writer.array("lengths", np.int64) as lengths:
        lengths.append(streamed.lengths())
    starts = raw.stamps[raw.begins].tolist()
    said = {"names": list(raw.names), "starts": starts, "frequency": frequency.name}
    return {**said, "findings": findings, "report": faults.report()}


def _write_at_once(writer: kept.Writer, path: Path, wanted: _Wanted) -> Mapping[str, Any]:
    table = _read_at_once(path, wanted)
    with writer.array("values", np.float64, (len(table.columns.channels),)) as values:
        values.append(table.values.values)
    with writer.array("lengths", np.int64) as lengths:
        lengths.append(table.values.lengths)
    said = {"names": list(table.names), "starts": table.starts.tolist(), "frequency": table.frequency.name}
    return {**said, "findings": list(table.findings), "report": table.report}


def _check_choice(where: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{where}: {name} is {value!r}, expected one of {', '.join(choices)}. Choose one.")
