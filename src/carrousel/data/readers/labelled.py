"""Texts with labels, from the columns of a CSV, TSV, JSONL or Parquet file (`rows.py`).

A label is a string; numbers and truth values of JSON and Parquet are written as JSON writes them (`1`, `true`). With a separator
a text can have several labels, or none; so it can where JSON or Parquet holds lists. Malformed: an empty text (nothing but
blanks), a text that is not a string, a missing label, the same label twice, an id that was there before, and, where the known
labels are given, a label that is not among them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from carrousel.data.faults import Faults, LineFault
from carrousel.data.readers.records import Records, gather
from carrousel.data.readers.rows import Row, format_of, read_rows
from carrousel.data.tokens import Tokens
from carrousel.errors import nearest


@dataclass(frozen=True)
class Labelled:
    """One text.

    Attributes:
        text: as it stands in the file.
        labels: one; any number with a separator; none where no label column was chosen.
        extra: the values of the extra columns, as strings.
        id: what names it in the file; its line's number where no id column was chosen.
        line: the number of its first line (of its row in Parquet).
    """

    text: str
    labels: tuple[str, ...]
    extra: tuple[str, ...]
    id: str
    line: int


def read_labelled(
    path: str | Path,
    text: str | int = "text",
    label: str | int | None = "label",
    *,
    separator: str | None = None,
    extra: Sequence[str | int] = (),
    id: str | int | None = None,
    known: Tokens | None = None,
    format: str | None = None,
    skip_bad: bool = False,
    where: str = "read_labelled",
) -> Records[Labelled]:
    """The texts of a table.

    Args:
        text, label, extra, id: columns, by name; or all by number from 0, in CSV and TSV without a header. Without a label
            column the texts have none (for prediction).
        separator: between the labels of a text; None for exactly one label.
        known: the only labels to accept, as when a trained model is measured.
        format: csv, tsv, jsonl or parquet; None to go by the file's ending.
        skip_bad: leave out malformed rows and count them.
        where: what to name in front of an error.

    Raises:
        ConfigError: an unknown format, or a column that the table lacks.
        DataError: the file cannot be used, has no text, or has a malformed row.
    """
    faults, path = Faults(where, skip_bad), Path(path)
    columns = Columns(text, label, tuple(extra), id, separator, known)
    return gather(path, labelled_rows(path, columns, faults, format), faults, "text")


@dataclass(frozen=True)
class Columns:
    """What the columns of a table mean; as the arguments of `read_labelled`."""

    text: str | int
    label: str | int | None
    extra: tuple[str | int, ...] = ()
    id: str | int | None = None
    separator: str | None = None
    known: Tokens | None = None


def labelled_rows(path: Path, columns: Columns, faults: Faults, format: str | None = None) -> Iterator[Labelled]:
    """The texts one at a time, so that the file may be larger than memory; as `read_labelled`."""
    unit = "row" if format_of(path, faults.where, format) == "parquet" else "line"
    optional = [column for column in (columns.label, columns.id) if column is not None]
    seen = dict[str, int]()
    for row in read_rows(path, [columns.text, *columns.extra, *optional], faults, format):
        try:
            found = _labelled(row, columns)
            if columns.id is not None and seen.setdefault(found.id, row.number) != row.number:
                raise LineFault(f"has the id {found.id!r} of {unit} {seen[found.id]:,}", "an id of its own")
        except LineFault as fault:
            faults.add(path, row.number, fault.what, fault.expected, unit=unit)
        else:
            yield found


def _labelled(row: Row, columns: Columns) -> Labelled:
    text, *rest = row.values
    if not isinstance(text, str):
        raise LineFault(f"has {_written(text)} in column {columns.text!r}", "a text")
    if not text.strip():
        raise LineFault("has an empty text", "at least one character")
    if not _is_unicode(text):
        raise LineFault("has half a character in its text (a lone surrogate)", "characters that UTF-8 can write")
    num_extra = len(columns.extra)
    extra = tuple(_written(value) for value in rest[:num_extra])
    labels = tuple(_labels(rest[num_extra], columns)) if columns.label is not None else ()
    return Labelled(text, labels, extra, str(row.number) if columns.id is None else _written(rest[-1]), row.number)


def _labels(value: Any, columns: Columns) -> list[str]:
    values = cast(list[Any], value) if isinstance(value, list) else [value]
    labels = [_written(one) for one in values if one is not None]
    if columns.separator is not None:
        labels = [label.strip() for one in labels for label in one.split(columns.separator) if label.strip()]
    elif not isinstance(value, list) and not "".join(labels).strip():
        raise LineFault("has no label", "one")
    for label in labels:
        if labels.count(label) > 1:
            raise LineFault(f"has the label {label!r} twice", "each label once")
        if columns.known is not None and label not in columns.known:
            few = ", ".join(columns.known.strings[:10]) + (" ..." if len(columns.known) > 10 else "")
            hint = nearest(label, columns.known.strings).removesuffix("?")
            raise LineFault(f"has the label {label!r}", f"one of {few}{hint and f' ({hint.strip().lower()}?)'}")
    return labels


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
