"""Tables row by row, from CSV, TSV, JSONL and Parquet files and from frames of pandas, polars and pyarrow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from carrousel.data.faults import Faults
from carrousel.data.readers.rows import format_of, header_of, read_rows
from carrousel.errors import ConfigError, DataError

Row = tuple[int, Sequence[object]]
"""Line number from 1, and the cells of the columns asked for."""


@runtime_checkable
class Source(Protocol):
    """A table that is read row by row.

    Attributes:
        name: for errors.
        unit: what rows are counted in: "line" or "row".
        columns: their names.
    """

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...

    def rows(self, wanted: Sequence[str], faults: Faults) -> Iterator[Row]:
        """The cells of these columns, row by row; malformed rows go to `faults`."""
        ...


def open_table(source: object, where: str, skip_bad: bool = False) -> Source:
    """A file by its ending, or a frame.

    Raises:
        ConfigError: the library for it is not installed.
        DataError: the file is missing or of another form, or the object is no table.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        unit = "row" if format_of(path, where) == "parquet" else "line"
        return _File(str(path), tuple(header_of(path, where, skip_bad=skip_bad)), unit)
    if isinstance(source, Mapping):
        columns = {
            str(name): list(cast(Sequence[object], cells)) for name, cells in cast(Mapping[Any, Any], source).items()
        }
        lengths = {name: len(cells) for name, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
            raise DataError(
                f"{where}: the columns have different lengths ({listed}), expected one. Give equal columns."
            )
        return _Columns("data", columns)
    return _Frame("data", _narwhals(source, where))


@dataclass(frozen=True)
class _File:
    name: str
    columns: tuple[str, ...]
    unit: str

    def rows(self, wanted: Sequence[str], faults: Faults) -> Iterator[Row]:
        return read_rows(Path(self.name), wanted, faults)


@dataclass(frozen=True)
class _Columns:
    name: str
    data: Mapping[str, Sequence[object]]
    unit: str = "row"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.data)

    def rows(self, wanted: Sequence[str], faults: Faults) -> Iterator[Row]:
        return enumerate(zip(*(self.data[name] for name in wanted), strict=True), 1)


@dataclass(frozen=True)
class _Frame:
    name: str
    frame: Any  # of narwhals
    unit: str = "row"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.frame.columns)

    def rows(self, wanted: Sequence[str], faults: Faults) -> Iterator[Row]:
        yield from enumerate(self.frame.select(list(wanted)).iter_rows(), 1)


def _narwhals(frame: object, where: str) -> Any:
    try:
        import narwhals
    except ImportError:
        raise ConfigError(
            f"{where}: frames need narwhals, which is not installed. Install it: pip install 'carrousel[tables]', or give a CSV "
            "file."
        ) from None
    try:
        return narwhals.from_native(cast(Any, frame), eager_only=True)
    except TypeError:
        raise DataError(
            f"{where}: data is a {type(frame).__name__}, expected a path, a mapping of columns, or a frame of pandas, polars or "
            "pyarrow. Give one of these."
        ) from None
