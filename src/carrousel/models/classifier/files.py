"""Sequences and their labels, from a user's files: all of them, or a few at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32

from carrousel.data.faults import Faults, LineFault, with_gaps
from carrousel.data.kept import Kept, Writer, kept
from carrousel.data.lazy import Made, Strings, in_chunks, write_strings
from carrousel.data.ragged import Ragged
from carrousel.data.readers.arrays import array_cases
from carrousel.data.readers.labelled import Columns, labelled_rows
from carrousel.data.readers.labelled import Labelled as Text
from carrousel.data.readers.records import some
from carrousel.data.readers.rows import FORMATS
from carrousel.data.readers.ts_format import ts_cases
from carrousel.errors import DataError
from carrousel.models.classifier.sequences import Label, Labelled

AT_ONCE = 1 << 20  # characters or numbers, where a whole file would be too many


class Item(NamedTuple):
    """One sequence of a file."""

    sequence: Any  # as the network wants it
    label: (
        Label | tuple[Label, ...]
    )  # all of its labels as a tuple where it can have several; () where they are not read
    name: str  # what names it in the file


class Piece(NamedTuple):
    """Some sequences of a file, one after the other."""

    given: Labelled  # may have none
    is_there: Sequence[bool]  # of each that stands in the file, whether it is among them; malformed ones are not


@dataclass(frozen=True)
class Source:
    """A file of sequences, read one at a time.

    Attributes:
        path: of the file or folder.
        where: what to name in front of an error.
        is_labelled: whether labels are needed; if not, they are not read.
        skip_bad: count malformed lines and go on.
        read: the items; DataError for a file that cannot be used or has none.
        thing: what stands before a name in the name of a place, such as "line ".
        about: all that what is read depends on beside the file.
        width: strings that a sequence is kept as; 0 for series.
        written: a sequence as these strings.
        made: a sequence from them.
    """

    path: Path
    where: str
    is_labelled: bool
    skip_bad: bool
    read: Callable[[Faults], Iterator[Item]]
    thing: str
    about: Mapping[str, Any]
    width: int = 0
    written: Callable[[Any], Sequence[str]] = tuple
    made: Callable[[tuple[str, ...]], Any] = tuple

    def pieces(self, faults: Faults) -> Iterator[Piece]:
        """All of it, some sequences at a time, so that the file may be larger than memory; errors as `kept`."""
        for items in in_chunks(with_gaps(self.read(faults), faults), AT_ONCE, self._weigh):
            yield Piece(
                self._labelled([item for item in items if item is not None]), [item is not None for item in items]
            )

    def kept(self, folder: Path | None = None) -> tuple[Labelled, Kept]:
        """All of it, each sequence made when it is asked for, and where it is kept (`data/kept.py`).

        Args:
            folder: to keep it in, if the user named one.

        Raises:
            DataError: the file cannot be used, or the folder cannot be written.
        """
        settings = {"sequences": 1, **self.about, "skip_bad": self.skip_bad}
        found = kept(folder, [self.path], settings, self._write, self.where)
        names: list[str] = found.description["labels"]

        def label_of(ids: Int32[np.ndarray, " K"]) -> Label | tuple[Label, ...]:
            labels = tuple(names[int(k)] for k in ids)
            return labels if found.description["has_several"] else labels[0]

        sequences: Any = found["sequences"]
        if self.width:
            sequences = Made(Strings(sequences, self.width), self.made)
        places = Made(Strings(found["names"]), lambda record: self._place(record[0]))
        labels = Made(found["labels"], label_of) if self.is_labelled else ()
        return Labelled(sequences, labels, places, self.path.name, found.description["report"]), found

    def _write(self, writer: Writer) -> dict[str, Any]:
        faults, numbers = Faults(self.where, self.skip_bad), dict[Label, int]()
        items = self.read(faults)
        first = next(items)
        has_several = isinstance(first.label, tuple)
        dtype, features = (np.uint8, ()) if self.width else (np.float32, first.sequence.shape[1:])
        with (
            writer.array("sequences", dtype, features) as sequences,
            writer.array("labels", np.int32) as labels,
            writer.array("names", np.uint8) as names,
        ):
            for item in chain([first], items):
                if self.width:
                    write_strings(sequences, self.written(item.sequence))
                else:
                    sequences.append(item.sequence)
                of_item = item.label if isinstance(item.label, tuple) else (item.label,)
                labels.append(np.array([numbers.setdefault(label, len(numbers)) for label in of_item], np.int32))
                write_strings(names, [item.name])
        return {"labels": list(numbers), "has_several": has_several, "report": faults.report()}

    def _labelled(self, items: Sequence[Item]) -> Labelled:
        sequences: Any = [item.sequence for item in items]
        if not self.width:
            sequences = Ragged.of(sequences, np.float32)  # of none it has no channels, and is not read
        labels = [item.label for item in items] if self.is_labelled else []
        return Labelled(sequences, labels, [self._place(item.name) for item in items], self.path.name)

    def _weigh(self, item: Item | None) -> int:
        """Characters or numbers of an item."""
        if item is None:
            return 1
        return sum(map(len, self.written(item.sequence))) + 1 if self.width else item.sequence.size

    def _place(self, name: str) -> str:
        return f"{self.path.name}, {self.thing}{name}"


def sequences_in(
    path: Path, columns: Mapping[str, Any], where: str, *, is_labelled: bool = True, skip_bad: bool = False
) -> Source:
    """A table of texts, .ts series, or a folder of arrays, as the path says.

    Args:
        columns: of a table: text, label, and label_separator, what stands between several labels.
        is_labelled: whether labels are needed; if not, they are not read.
        skip_bad: count malformed lines and go on.

    Raises:
        ConfigError: on reading, a table lacks a column, or the file's ending says nothing.
        DataError: on reading, the file cannot be used.
    """
    if path.is_dir() or path.suffix.lower() in (".ts", ".npz"):
        return series_in(path, where, is_labelled=is_labelled, skip_bad=skip_bad)

    def one_of(text: Text) -> tuple[str, Label | tuple[Label, ...]]:
        return text.text, label_of(text, columns["label_separator"] is not None) if is_labelled else ()

    return texts_in(path, columns, (), one_of, where, is_labelled=is_labelled, skip_bad=skip_bad)


def series_in(path: Path, where: str, *, is_labelled: bool = True, skip_bad: bool = False) -> Source:
    """The series of a .ts file, an .npz file, or a folder of .npy files; a class for each where labels are needed."""
    suffix = path.suffix.lower()

    def read(faults: Faults) -> Iterator[Item]:
        cases = ts_cases(path, faults) if suffix == ".ts" else array_cases(path, faults)
        for case in some(path, cases, faults, "sequence", "one"):
            if is_labelled and case.label is None:
                what = "no labels" if case.target is None else "numbers to predict"
                raise DataError(f"{where}: {path} has {what}, expected a class for each series. Add them.")
            yield Item(
                case.values.astype(np.float32, copy=False), case.label if case.label is not None else (), case.name
            )

    thing = {".ts": "line ", ".npz": "sequence "}.get(suffix, "")
    return Source(path, where, is_labelled, skip_bad, read, thing, {"form": suffix})


def texts_in(
    path: Path,
    columns: Mapping[str, Any],
    extra: tuple[str, ...],
    one_of: Callable[[Text], tuple[Any, Label | tuple[Label, ...]]],
    where: str,
    *,
    is_labelled: bool,
    skip_bad: bool,
    width: int = 1,
    made: Callable[[tuple[str, ...]], Any] = lambda strings: strings[0],
) -> Source:
    """The rows of a table of texts.

    Args:
        extra: names of columns whose values are wanted, too.
        one_of: a sequence and its label, or all of its labels; LineFault for a row that is malformed.
        width, made: as those of `Source`; with one string, a sequence is that string.
    """
    suffix = path.suffix.lower()
    unit = "row" if FORMATS.get(suffix) == "parquet" else "line"
    wanted = Columns(
        columns["text"], columns["label"] if is_labelled else None, extra, None, columns.get("label_separator")
    )

    def read(faults: Faults) -> Iterator[Item]:
        rows = some(path, labelled_rows(path, wanted, faults), faults, "text")
        yield from _at_least_one(_items(rows, one_of, path, unit, faults), unit, faults)

    about = {"form": suffix, "columns": [wanted.text, wanted.label, *extra], "separator": wanted.separator}
    written: Callable[[Any], Sequence[str]] = (lambda text: [text]) if width == 1 else tuple
    return Source(path, where, is_labelled, skip_bad, read, f"{unit} ", about, width, written, made)


def _items(
    rows: Iterable[Text],
    one_of: Callable[[Text], tuple[Any, Label | tuple[Label, ...]]],
    path: Path,
    unit: str,
    faults: Faults,
) -> Iterator[Item]:
    for row in rows:
        try:
            yield Item(*one_of(row), f"{row.line:,}")
        except LineFault as fault:
            faults.add(path, row.line, fault.what, fault.expected, unit=unit)


def _at_least_one(items: Iterator[Item], unit: str, faults: Faults) -> Iterator[Item]:
    first = next(items, None)
    if first is None:
        raise DataError(f"{faults.report()} Nothing is left; expected at least one good {unit}. Correct the file.")
    return chain([first], items)


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
