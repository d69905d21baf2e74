"""Tables of what does not change in time: one row a series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carrousel.data.faults import Faults, LineFault
from carrousel.data.readers.series_rows import read_number
from carrousel.data.readers.tables import open_table
from carrousel.errors import DataError


@dataclass(frozen=True)
class Static:
    """What does not change in time, of each series.

    Attributes:
        columns: column -> one value for each series, in the order of the series; a column is text when any of its cells is, and an
            empty cell of it "".
    """

    columns: Mapping[str, tuple[float, ...] | tuple[str, ...]]


def read_static(
    source: object,
    names: Sequence[str],
    unique_id: str = "unique_id",
    *,
    skip_bad: bool = False,
    where: str = "read_static",
) -> Static:
    """The columns of a static table, in the order of the series.

    Args:
        source: a file or a frame, as `read_series` takes it.
        names: of the series; rows of others are passed over.
        unique_id: column that names the series.
        skip_bad: count malformed rows and leave them out.
        where: what to name in front of an error.

    Raises:
        DataError: a series has no row, or two; the table has no such column; a cell of a column of numbers is empty.
    """
    table, faults = open_table(source, where, skip_bad), Faults(where, skip_bad)
    if unique_id not in table.columns:
        raise DataError(
            f"{where}: {table.name} has no column {unique_id!r}, expected one; it has {', '.join(table.columns)}. Name it in the "
            "settings."
        )
    columns = [column for column in table.columns if column != unique_id]
    wanted, found, lines = set(names), dict[str, list[object]](), dict[str, int]()
    for line, (name, *cells) in table.rows([unique_id, *columns], faults):
        key = str(name).strip()
        if key not in wanted:
            continue
        if key in found:
            faults.add(
                table.name, line, f"repeats the series {key!r} of {table.unit} {lines[key]:,}", "one row for each"
            )
            continue
        found[key], lines[key] = cells, line
    absent = [name for name in names if name not in found]
    if absent:
        raise DataError(
            f"{where}: {table.name} has no row for the series {absent[0]!r} ({len(absent):,} of {len(names):,} have none), "
            "expected one for each. Add it."
        )
    return Static(
        {
            column: _column(column, [found[name][k] for name in names], names, table.name, where)
            for k, column in enumerate(columns)
        }
    )


def _column(
    column: str, cells: Sequence[object], names: Sequence[str], table: str, where: str
) -> tuple[float, ...] | tuple[str, ...]:
    try:
        numbers = tuple(read_number(cell, column) for cell in cells)
    except LineFault:
        return tuple("" if cell is None else str(cell).strip() for cell in cells)
    for name, number in zip(names, numbers, strict=True):
        if number != number:
            raise DataError(
                f"{where}: {table} has no number in the column {column} for the series {name!r}, expected one. Fill it in."
            )
    return numbers
