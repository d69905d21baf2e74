r"""Tables with a record a row, by columns: CSV, TSV, JSONL and Parquet; `labelled.py` and `pairs.py` say what the columns mean.

The file's ending says what it is (`FORMATS`), or `format` does.

CSV (RFC 4180): fields may stand in double quotes, and hold separators, line ends and doubled quotes there. The separator is
that of `,` `;` and tab which the first line has most of. TSV: fields end at a tab, and quotes are characters like any other. In
both, lines without a character are left out, and every row has as many fields as the first one; with columns chosen by name the
first row is a header, with columns chosen by number (from 0) it is not. JSONL: an object a line; a column that an object lacks is
a fault. Parquet: any table; needs pyarrow.

Line ends, byte order marks and encodings: `opening.py`. A quote that nothing closes makes one fault of all lines that it swallows.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, cast

from carrousel.data.faults import Faults, LineFault
from carrousel.data.opening import decoded_lines, opened, read_lines
from carrousel.errors import ConfigError, DataError, counted, nearest

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
LARGEST_FIELD = 2**31 - 1  # characters; the csv module stops at 131,072 unless told otherwise


class Row(NamedTuple):
    """One row: the values of the chosen columns, as they stand in the file."""

    number: int  # of its first line; of the row in a Parquet file; from 1
    values: tuple[Any, ...]  # strings in CSV and TSV, what JSON and Parquet have otherwise


def read_rows(path: Path, columns: Sequence[str | int], faults: Faults, format: str | None = None) -> Iterator[Row]:
    """The chosen columns of each good row, one row at a time.

    Args:
        columns: names; or, in CSV and TSV, numbers from 0, which say that there is no header.
        format: csv, tsv, jsonl or parquet; None to go by the file's ending.

    Raises:
        ConfigError: an unknown format, a column that the table lacks, or numbers and names together.
        DataError: the file cannot be used, or a row is malformed and malformed rows are not skipped.
    """
    kind = format_of(path, faults.where, format)
    are_names = all(isinstance(column, str) for column in columns)
    if not are_names and (kind in ("jsonl", "parquet") or any(isinstance(column, str) for column in columns)):
        raise ConfigError(
            f"{faults.where}: columns are {list(columns)}, expected names"
            f"{'' if kind in ('jsonl', 'parquet') else ', or numbers from 0'}. Name every column alike."
        )
    match kind:
        case "jsonl":
            yield from _read_jsonl(path, cast(Sequence[str], columns), faults)
        case "parquet":
            yield from _read_parquet(path, cast(Sequence[str], columns), faults)
        case _:
            yield from _read_separated(path, columns, faults, kind == "tsv", are_names)


def format_of(path: Path, where: str, format: str | None = None) -> str:
    """What a file is, by what was said or by its ending.

    Raises:
        ConfigError: neither says it.
    """
    found = FORMATS.get(path.suffix.lower(), "") if format is None else format
    if found not in FORMATS.values():
        given = f"{path} ends with {path.suffix!r}" if format is None else f"format is {format!r}"
        raise ConfigError(
            f"{where}: {given}, expected one of {', '.join(FORMATS)}, or csv, tsv, jsonl, parquet. Say the format."
        )
    return found


def header_of(path: Path, where: str, format: str | None = None, *, skip_bad: bool = False) -> list[str]:
    """The first row of a CSV or TSV file, the keys of the first JSONL object, or the names of a Parquet file's columns.

    Args:
        skip_bad: take the first row that is not malformed.

    Raises:
        ConfigError: an unknown format.
        DataError: the file cannot be used, has no row, or a malformed one.
    """
    faults = Faults(where, skip_bad)
    match format_of(path, where, format):
        case "parquet":
            return _parquet_file(path, where).schema_arrow.names
        case "jsonl":
            rows = (list(record) for _, record in _json_objects(path, faults))
        case kind:
            rows = (fields for _, fields in _records(path, faults, kind == "tsv"))
    for names in rows:
        return names
    raise DataError(f"{where}: {path} has no row, expected at least one. Check that it is the right file.")


def _read_separated(
    path: Path, columns: Sequence[str | int], faults: Faults, is_tsv: bool, has_header: bool
) -> Iterator[Row]:
    indices, num_fields = list[int](), 0
    for number, fields in _records(path, faults, is_tsv):
        if not indices:
            num_fields = len(fields)
            indices = _find(columns, fields, path, faults.where)
            if has_header:
                continue
        if len(fields) != num_fields:
            like = "header" if has_header else "first line"
            faults.add(path, number, f"has {counted(len(fields), 'field')}", f"{num_fields} as in the {like}")
            continue
        yield Row(number, tuple(fields[index] for index in indices))


def _find(columns: Sequence[str | int], first: list[str], path: Path, where: str) -> list[int]:
    """Where the chosen columns are, by the first row."""
    for column in columns:
        if isinstance(column, str) and column not in first:
            raise ConfigError(
                f"{where}: {path} has no column {column!r}, expected one of its columns.{nearest(column, first)} "
                f"Columns: {', '.join(first)}."
            )
        if isinstance(column, str) and first.count(column) > 1:
            raise ConfigError(
                f"{where}: {path} has {first.count(column)} columns {column!r}, expected one. Rename the others."
            )
        if isinstance(column, int) and not -len(first) <= column < len(first):
            raise ConfigError(
                f"{where}: {path} has no column {column}, expected 0 to {len(first) - 1}, since its first line has "
                f"{len(first)} fields. Count from 0."
            )
    return [first.index(column) if isinstance(column, str) else column for column in columns]


def _records(path: Path, faults: Faults, is_tsv: bool) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV or TSV file with the number of their first line; rows with a malformed line are left out."""
    expected = "a UTF-8 table with a row a line"
    if is_tsv:
        for number, line in read_lines(path, faults, expected):
            if line:
                yield number, line.split("\t")
        return
    bad = list[tuple[int, LineFault]]()

    def lines() -> Iterator[str]:
        for number, line, fault in decoded_lines(path, faults.where, expected):
            if fault:
                bad.append((number, fault))
                line = line.replace("\0", "\ufffd")
            yield f"{line}\n"

    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.reader(lines(), delimiter=_separator(path, faults.where, expected), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error:
            fields, many = [], reader.line_num - number
            swallowed = f" (the {many:,} lines after it are part of it)" if many > 0 else ""
            faults.add(
                path, number, f"has a quote that does not close its field{swallowed}", '"..." and then a separator'
            )
        if fields is None:
            return
        for line, fault in bad:
            faults.add(path, line, fault.what, fault.expected)
        if fields and not bad:
            yield number, fields
        bad.clear()


def _separator(path: Path, where: str, expected: str) -> str:
    first = next(line for _, line, _ in decoded_lines(path, where, expected))
    return max(",;\t", key=first.count)


def _read_jsonl(path: Path, columns: Sequence[str], faults: Faults) -> Iterator[Row]:
    for number, record in _json_objects(path, faults):
        missing = [column for column in columns if column not in record]
        if missing:
            faults.add(path, number, f"has no {missing[0]!r}", f"it among its keys: {', '.join(map(repr, record))}")
        else:
            yield Row(number, tuple(record[column] for column in columns))


def _json_objects(path: Path, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in read_lines(path, faults, "JSON objects, one a line"):
        if not line.strip():
            continue
        try:
            yield number, _json_object(line)
        except LineFault as fault:
            faults.add(path, number, fault.what, fault.expected)


def _json_object(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise LineFault(f"is not JSON ({error.msg} at character {error.pos + 1:,})", "a JSON object") from None
    except RecursionError:
        raise LineFault("is not JSON that can be read (nested too deeply)", "a JSON object") from None
    if not isinstance(record, dict):
        raise LineFault(f"is a JSON {type(record).__name__}", "a JSON object") from None
    return cast(dict[str, Any], record)


def _read_parquet(path: Path, columns: Sequence[str], faults: Faults) -> Iterator[Row]:
    table = _parquet_file(path, faults.where)
    _find(columns, table.schema_arrow.names, path, faults.where)
    number = 0
    for batch in table.iter_batches(batch_size=4096, columns=list(dict.fromkeys(columns))):
        for values in zip(*(batch.column(column).to_pylist() for column in columns), strict=True):
            number += 1
            yield Row(number, values)


def _parquet_file(path: Path, where: str) -> Any:
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError(
            f"{where}: {path} is a Parquet file, expected pyarrow to read it. Install it: pip install 'carrousel[tables]'"
        ) from None
    with opened(path, where, "a Parquet file", is_text=False):
        pass
    try:
        return parquet.ParquetFile(path)
    except arrow.ArrowException as error:
        raise DataError(f"{where}: {path} cannot be read ({error}), expected a Parquet file. Write it again.") from None
