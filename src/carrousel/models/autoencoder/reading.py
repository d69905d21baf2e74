"""Series from a user's table, one row a time step: into memory, or into files that are mapped (`data/kept.py`).

The rows of a series may stand anywhere in the table, in the order of time. Where they stand together, the table is read once, in
blocks. Where the rows of several series are mixed, those of each are then gathered, for which 12 bytes a row are held in memory.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Int64

from carrousel.data.faults import Faults
from carrousel.data.kept import Appends, Kept, Writer, kept
from carrousel.data.ragged import Ragged
from carrousel.data.readers.rows import format_of, header_of, read_rows
from carrousel.data.stretches import Stretches
from carrousel.errors import ConfigError, DataError
from carrousel.models.autoencoder.series import Series

LARGEST = float(np.finfo(np.float32).max)
"""beyond it a number does not stay finite"""
BLOCK = 1 << 14  # rows written together
TRUTH = {"0": False, "0.0": False, "False": False, "1": True, "1.0": True, "True": True}


@dataclass(frozen=True)
class _Wanted:
    """What is read of a table."""

    path: Path
    channels: Sequence[str]
    series: str | None
    label: str | None
    where: str
    skip_bad: bool


def read_series(
    path: Path,
    columns: Any,
    where: str,
    *,
    is_labelled: bool = True,
    skip_bad: bool = False,
    store: Path | None = None,
) -> Series:
    """The series in a table, one row a time step.

    Args:
        columns: an object with the attributes columns, series and label, as the settings have them.
        is_labelled: whether the label column is read.
        store: folder to keep the numbers in; without one they are kept in memory, or, of a large file, in temporary files.

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
    wanted = _Wanted(path, channels, columns.series, label, where, skip_bad)
    settings = {"form": "series", "columns": channels, "series": columns.series, "label": label, "skip_bad": skip_bad}
    found = kept(store, [path], settings, lambda writer: _write(writer, wanted), where)
    return _series(found, wanted)


def _series(found: Kept, wanted: _Wanted) -> Series:
    said = found.description
    offsets = np.append(0, np.cumsum(found["lengths"].values))

    def each(name: str) -> Stretches:
        return Stretches.of(Ragged(found[name].values, offsets))

    unit = "row" if format_of(wanted.path, wanted.where) == "parquet" else "line"
    return Series(
        each("values"),
        each("labels") if wanted.label else None,
        list(said["names"]),
        list(wanted.channels),
        str(wanted.path),
        [0] * len(said["names"]),
        said["report"],
        each("lines"),
        unit,
        found.told,
    )


class _MixedError(Exception):
    """A row belongs to a series that others have followed."""


class _Row(NamedTuple):
    line: int
    series: str
    numbers: list[float]
    mark: bool


def _write(writer: Writer, wanted: _Wanted) -> Mapping[str, Any]:
    """The rows of each series one after the other, and in `lengths` how many each has."""
    try:
        return _write_in_order(writer, wanted)
    except _MixedError:
        return _write_mixed(writer, wanted)


def _write_in_order(writer: Writer, wanted: _Wanted) -> Mapping[str, Any]:
    """Of a table in which the rows of a series stand together.

    Raises:
        _MixedError: they do not.
    """
    faults, names, lengths = Faults(wanted.where, wanted.skip_bad), dict[str, None](), list[int]()
    with _arrays(writer, wanted) as arrays:
        for series, rows in groupby(_rows(wanted, faults), lambda row: row.series):
            if series in names:
                raise _MixedError
            names[series] = None
            lengths.append(sum(_append(arrays, some) for some in _together(rows)))
    return _described(writer, wanted, faults, list(names), np.array(lengths, np.int64))


def _write_mixed(writer: Writer, wanted: _Wanted) -> Mapping[str, Any]:
    """Of any table: its rows as they come, and then in the order of their series."""
    faults, numbers = Faults(wanted.where, wanted.skip_bad), dict[str, int]()

    def make(writer: Writer) -> Mapping[str, Any]:
        with _arrays(writer, wanted) as arrays, writer.array("series", np.int32) as ids:
            for some in _together(_rows(wanted, faults)):
                _append(arrays, some)
                ids.append(np.array([numbers.setdefault(row.series, len(numbers)) for row in some], np.int32))
        return {}

    raw = kept(None, [wanted.path], {}, make, wanted.where)
    ids = raw["series"].values
    order = np.argsort(ids, kind="stable").astype(np.int64 if len(ids) > 2**31 else np.int32)
    with _arrays(writer, wanted) as arrays:
        for name, array in arrays.items():
            values = raw[name].values
            for begin in range(0, len(order), BLOCK):
                array.append(values[order[begin : begin + BLOCK]])
    return _described(writer, wanted, faults, list(numbers), np.bincount(ids))


def _described(
    writer: Writer, wanted: _Wanted, faults: Faults, names: list[str], lengths: Int64[np.ndarray, " K"]
) -> Mapping[str, Any]:
    if not names:
        raise DataError(
            f"{wanted.where}: {wanted.path} has no row, expected at least one time step. Check that it is the right file."
        )
    with writer.array("lengths", np.int64) as array:
        array.append(lengths)
    return {"names": names, "report": faults.report()}


@contextmanager
def _arrays(writer: Writer, wanted: _Wanted) -> Generator[dict[str, Appends]]:
    with ExitStack() as stack:
        arrays = {
            "values": stack.enter_context(writer.array("values", np.float32, (len(wanted.channels),))),
            "lines": stack.enter_context(writer.array("lines", np.int64)),
        }
        if wanted.label:
            arrays["labels"] = stack.enter_context(writer.array("labels", np.bool_))
        yield arrays


def _together(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    while some := list(islice(rows, BLOCK)):
        yield some


def _append(arrays: Mapping[str, Appends], rows: Sequence[_Row]) -> int:
    arrays["values"].append(np.array([row.numbers for row in rows], np.float32))
    arrays["lines"].append(np.array([row.line for row in rows], np.int64))
    if "labels" in arrays:
        arrays["labels"].append(np.array([row.mark for row in rows], np.bool_))
    return len(rows)


def _rows(wanted: _Wanted, faults: Faults) -> Iterator[_Row]:
    """The good rows of the table."""
    path, channels, label = wanted.path, wanted.channels, wanted.label
    columns = [*channels, *(name for name in (wanted.series, label) if name)]
    for row in read_rows(path, columns, faults):
        numbers = [_number(text) for text in row.values[: len(channels)]]
        mark = str(row.values[-1]).strip() if label else "0"
        if None in numbers:
            k = numbers.index(None)
            faults.add(path, row.number, f"has {row.values[k]!r} in column {channels[k]!r}", "a finite number")
        elif mark not in TRUTH:
            faults.add(path, row.number, f"has {mark!r} in column {label!r}", "0 or 1")
        else:
            name = str(row.values[len(channels)]) if wanted.series else "series"
            yield _Row(row.number, name, cast(list[float], numbers), TRUTH[mark])


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) <= LARGEST else None
