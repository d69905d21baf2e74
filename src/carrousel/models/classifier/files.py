"""Sequences and their labels, from a user's files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from carrousel.data.faults import LineFault
from carrousel.data.ragged import Ragged
from carrousel.data.readers.arrays import read_arrays
from carrousel.data.readers.labelled import Labelled as Text
from carrousel.data.readers.labelled import read_labelled
from carrousel.data.readers.records import Records
from carrousel.data.readers.rows import FORMATS
from carrousel.data.readers.ts_format import read_ts
from carrousel.errors import DataError
from carrousel.models.classifier.sequences import Label, Labelled


def read_sequences(
    path: Path, columns: Mapping[str, Any], where: str, *, is_labelled: bool = True, skip_bad: bool = False
) -> Labelled:
    """A table of texts, .ts series, or a folder of arrays, as the path says.

    Args:
        columns: of a table: text, label, and label_separator, what stands between several labels.
        is_labelled: whether labels are needed; if not, they are not read.
        skip_bad: count malformed lines and go on.

    Raises:
        ConfigError: a table lacks a column, or the file's ending says nothing.
        DataError: the file cannot be used.
    """
    if path.is_dir() or path.suffix.lower() in (".ts", ".npz"):
        return read_series(path, where, is_labelled=is_labelled, skip_bad=skip_bad)

    def one_of(text: Text) -> tuple[str, Label | tuple[Label, ...]]:
        return text.text, label_of(text, columns["label_separator"] is not None) if is_labelled else ()

    found = read_texts(path, columns, (), where, is_labelled=is_labelled, skip_bad=skip_bad)
    return gathered(found, one_of, is_labelled)


def read_series(path: Path, where: str, *, is_labelled: bool = True, skip_bad: bool = False) -> Labelled:
    """The series of a .ts file, an .npz file, or a folder of .npy files.

    Raises:
        DataError: the file cannot be used, or has no classes where they are needed.
    """
    reader = read_ts if path.suffix.lower() == ".ts" else read_arrays
    found = reader(path, skip_bad=skip_bad, where=where)
    if is_labelled and len(found.labels) != len(found):
        what = "numbers to predict" if len(found.targets) else "no labels"
        raise DataError(f"{where}: {path} has {what}, expected a class for each series. Add them.")
    thing = {".ts": "line ", ".npz": "sequence "}.get(path.suffix.lower(), "")
    places = [f"{path.name}, {thing}{name}" for name in found.names]
    series = Ragged(found.sequences.values.astype(np.float32, copy=False), found.sequences.offsets)
    return Labelled(series, list(found.labels) if is_labelled else (), places, path.name, found.faults.report())


def read_texts(
    path: Path, columns: Mapping[str, Any], extra: tuple[str, ...], where: str, *, is_labelled: bool, skip_bad: bool
) -> Records[Text]:
    """The rows of a table of texts.

    Args:
        extra: names of columns whose values are wanted, too.
    """
    return read_labelled(
        path,
        columns["text"],
        columns["label"] if is_labelled else None,
        separator=columns.get("label_separator"),
        extra=extra,
        skip_bad=skip_bad,
        where=where,
    )


def gathered(
    found: Records[Text], one_of: Callable[[Text], tuple[Any, Label | tuple[Label, ...]]], is_labelled: bool
) -> Labelled:
    """All rows as sequences with their labels.

    Args:
        found: the rows.
        one_of: a sequence and its label, or all of its labels; LineFault for a row that is malformed.
        is_labelled: whether labels are kept.

    Raises:
        DataError: a row is malformed and malformed rows are not skipped, or all are.
    """
    unit = "row" if FORMATS.get(found.path.suffix.lower()) == "parquet" else "line"
    sequences: list[Any] = []
    labels: list[Label | tuple[Label, ...]] = []
    places: list[str] = []
    for row in found:
        try:
            sequence, label = one_of(row)
        except LineFault as fault:
            found.faults.add(found.path, row.line, fault.what, fault.expected, unit=unit)
            continue
        sequences.append(sequence)
        labels.append(label)
        places.append(f"{found.path.name}, {unit} {row.line:,}")
    if not sequences:
        raise DataError(
            f"{found.faults.report()} Nothing is left; expected at least one good {unit}. Correct the file."
        )
    return Labelled(sequences, labels if is_labelled else [], places, found.path.name, found.faults.report())


def label_of(text: Text, is_multi_label: bool) -> Label | tuple[Label, ...]:
    """The label of a row, or all of them as a tuple.

    Raises:
        LineFault: the row has several labels, or none, where one is expected.
    """
    if is_multi_label:
        return tuple(text.labels)
    if len(text.labels) != 1:
        raise LineFault(f"has {len(text.labels)} labels", "1, since data.label_separator is null")
    return text.labels[0]
