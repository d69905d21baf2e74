"""Rows of series in order, one for each time, on their regular time axis."""

import numpy as np
from jaxtyping import Bool, Float64, Int64

from carrousel.data.frequency import Frequency, write_stamp
from carrousel.data.ragged import Ragged
from carrousel.data.readers.series_rows import Place, SeriesColumns
from carrousel.data.readers.tables import Source
from carrousel.errors import DataError, counted

LARGEST_FILL = 10  # steps for each row: more of them mean a wrong frequency


def sort_rows(place: Place, findings: list[str]) -> Int64[np.ndarray, " N"]:
    """Row numbers by series and time; rows of the same step stay in their order."""
    ids, stamps = np.frombuffer(place.rows.ids, np.int64), np.frombuffer(place.rows.stamps, np.int64)
    order = np.lexsort((stamps, ids))
    by_series = np.argsort(ids, kind="stable")
    late = np.zeros(len(ids), bool)
    late[by_series[1:]] = (np.diff(stamps[by_series]) < 0) & (np.diff(ids[by_series]) == 0)
    if late.any():
        first = int(late.argmax())
        findings.append(
            f"{counted(int(late.sum()), 'row')} out of order, sorted by series and time; the first is {place.line(first)}."
        )
    return order


def merge_duplicates(
    place: Place, order: Int64[np.ndarray, " N"], duplicates: str, findings: list[str]
) -> tuple[Int64[np.ndarray, " M"], Float64[np.ndarray, "M C"]]:
    """One row for each series and time."""
    rows = place.rows
    ids, stamps = np.frombuffer(rows.ids, np.int64)[order], np.frombuffer(rows.stamps, np.int64)[order]
    cells = np.frombuffer(rows.cells, np.float64).reshape(-1, rows.num_channels)[order]
    is_new = np.append(True, (ids[1:] != ids[:-1]) | (stamps[1:] != stamps[:-1]))
    num_more = len(order) - int(is_new.sum())
    if not num_more:
        return order, cells
    again = int(is_new.argmin())
    before, row = int(order[again - 1]), int(order[again])
    if duplicates == "refuse":
        raise DataError(refused_repeat(place.where, place.table, place.line(row), place.step(row), rows.lines[before]))
    findings.append(told_repeats(num_more, duplicates, place.line(row)))
    chosen, merged = merged_rows(cells, is_new, duplicates)
    return order[chosen], merged


def refused_repeat(where: str, table: Source, line: str, step: str, line_before: int) -> str:
    """Of two rows of the same series and time, as a sentence."""
    return (
        f"{where}: {line} repeats {step}, which is in {table.unit} {line_before:,} already, expected one row for each. Take one of "
        "them out, or say what to make of such rows: duplicates=mean (or sum, first, last)."
    )


def told_repeats(number: int, duplicates: str, line: str) -> str:
    """How many rows came again, and what was made of them, as a sentence."""
    return f"{counted(number, 'row')} repeated a series and time; the {duplicates} was taken. The first is {line}."


def merged_rows(
    cells: Float64[np.ndarray, "N C"], is_new: Bool[np.ndarray, " N"], duplicates: str
) -> tuple[Int64[np.ndarray, " M"], Float64[np.ndarray, "M C"]]:
    """Which of the rows stands for those of one step, and their cells; the rows of a step stand together."""
    begins = np.flatnonzero(is_new)
    if duplicates in ("first", "last"):
        chosen = begins if duplicates == "first" else np.append(begins[1:], len(is_new)) - 1
        return chosen, cells[chosen]
    counts = np.add.reduceat((~np.isnan(cells)).astype(np.float64), begins)
    sums = np.add.reduceat(np.nan_to_num(cells), begins)
    merged = np.where(counts > 0, sums if duplicates == "sum" else sums / np.maximum(counts, 1), np.nan)
    return begins, merged


def put_on_grid(
    place: Place,
    frequency: Frequency,
    order: Int64[np.ndarray, " N"],
    is_first: Bool[np.ndarray, " N"],
    cells: Float64[np.ndarray, "N C"],
    gaps: str,
    findings: list[str],
) -> Ragged:
    """The values of all series, step by step, NaN where there is no row.

    Raises:
        DataError: a time between two steps, or gaps that are refused or too large to fill.
    """
    rows, begins = place.rows, np.flatnonzero(is_first)
    stamps = np.frombuffer(rows.stamps, np.int64)[order]
    counts = np.diff(np.append(begins, len(order)))
    steps, is_on_grid = frequency.index(stamps, np.repeat(stamps[begins], counts))
    if not is_on_grid.all():
        row = int(order[is_on_grid.argmin()])
        raise DataError(
            f"{place.where}: {place.line(row)} has {place.step(row)}, which is no whole number of steps of {frequency} after the "
            "series' first, expected a regular frequency. Correct the time, resample the data, or give the frequency."
        )
    lengths = steps[np.append(begins[1:], len(order)) - 1] + 1
    _report_gaps(place, frequency, order, steps, is_first, int(lengths.sum()), gaps, findings)
    offsets = np.append(0, np.cumsum(lengths))
    values = np.full((int(offsets[-1]), rows.num_channels), np.nan)
    values[np.repeat(offsets[:-1], counts) + steps] = cells
    findings += told_empty(place.columns, np.isnan(cells).sum(0).tolist())
    return Ragged(values, offsets)


def told_empty(columns: SeriesColumns, numbers: list[int]) -> list[str]:
    """How many cells of each column held no number, as sentences."""
    both = zip(columns.channels, numbers, strict=True)
    return [f"{counted(number, 'cell')} of the column {column} had no number." for column, number in both if number]


def _report_gaps(
    place: Place,
    frequency: Frequency,
    order: Int64[np.ndarray, " N"],
    steps: Int64[np.ndarray, " N"],
    is_first: Bool[np.ndarray, " N"],
    num_steps: int,
    gaps: str,
    findings: list[str],
) -> None:
    """Name the steps without a row, or refuse them."""
    skipped = np.where(is_first, 0, np.diff(steps, prepend=0) - 1)
    if not skipped.any():
        return
    first = int((skipped > 0).argmax())
    row, number, num_gaps = int(order[first]), int(skipped.sum()), int((skipped > 0).sum())
    before = write_stamp(place.rows.stamps[int(order[first - 1])], bool(place.rows.is_number))
    found = told_gaps(
        frequency, number, num_gaps, int(skipped[first]), before, f"{place.step(row)} ({place.line(row)})"
    )
    findings.append(checked_gaps(place.where, found, gaps, num_steps, len(order)))


def told_gaps(frequency: Frequency, number: int, num_gaps: int, first: int, before: str, after: str) -> str:
    """How many steps have no row, and where they are missing first: between a time and a row, in words."""
    return (
        f"{counted(number, 'step')} of {frequency} {'has' if number == 1 else 'have'} no row, in {counted(num_gaps, 'gap')}; "
        f"the first gap is {first:,} after {before}, before {after}"
    )


def checked_gaps(where: str, what: str, gaps: str, num_steps: int, num_rows: int) -> str:
    """What was done about gaps, as a sentence.

    Raises:
        DataError: they are refused, or too large to fill.
    """
    if gaps == "refuse":
        raise DataError(f"{where}: {what}, expected every step. Add the rows, or fill them with NaN: gaps=fill.")
    if num_steps > LARGEST_FILL * num_rows + 1_000:
        raise DataError(
            f"{where}: {what}: {num_steps:,} steps for {num_rows:,} rows, expected at most {LARGEST_FILL} steps a row. "
            "Give the frequency, or resample the data."
        )
    return f"{what}; filled with NaN."
