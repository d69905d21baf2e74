"""Sequences and their labels, from Python objects: checked, and alike whether they are texts or series."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from carrousel.data.lazy import Chosen
from carrousel.data.ragged import Ragged
from carrousel.errors import DataError

Text = str | Sequence[str]
"""A text, or its words where it is split already."""
Label = str | int | float | bool
SCALARS = (str, int, float, bool, np.generic)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Sequences, what is right for each, and where each comes from; in memory, or taken from the disk when they are asked for.

    Attributes:
        sequences: texts, or series (T, D).
        labels: of each sequence: one, or a tuple of any number of them where several can be right.
        places: what names each sequence in the user's data.
        source: where all of it comes from, in a few words.
        report: what was skipped while reading; empty when nothing was.
    """

    sequences: Sequence[Any] | Ragged
    labels: Sequence[Label | tuple[Label, ...]]
    places: Sequence[str]
    source: str
    report: str = ""

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.places)

    @property
    def is_text(self) -> bool:
        """Whether the sequences are texts."""
        return not isinstance(self.sequences[0], np.ndarray)

    @property
    def is_multi_label(self) -> bool:
        """Whether several labels can be right for a sequence."""
        return bool(self.labels) and isinstance(self.labels[0], tuple)

    def some(self, rows: Int64[np.ndarray, " K"]) -> "Labelled":
        """These of the sequences, a view."""
        labels = Chosen(self.labels, rows) if self.labels else ()
        return Labelled(Chosen(self.sequences, rows), labels, Chosen(self.places, rows), self.source)


def of_objects(sequences: Any, labels: Any, where: str) -> Labelled:
    """Python objects as they are given to `fit`, `predict` and `score`.

    Args:
        sequences: texts; lists of words; arrays (T, D), or (T,) for one channel; one array (N, T, D), or (N, T).
        labels: one of each sequence; lists, tuples or sets of labels, or an array (N, C) of zeros and ones, where several
            can be right; None where they are not known.

    Raises:
        DataError: nothing is given; texts and series are mixed; a sequence has no steps; numbers of channels differ; there are
            not as many labels as sequences.
    """
    given = list(sequences)
    if not given:
        raise DataError(f"{where}: there are no sequences, expected at least 1. Give texts or arrays (T, D).")
    places: Sequence[str] = [f"sequence {k:,}" for k in range(len(given))]
    is_text = [
        isinstance(x, str) or (isinstance(x, list | tuple) and all(isinstance(w, str) for w in cast(Any, x)))
        for x in given
    ]
    if any(is_text) and not all(is_text):
        k = is_text.index(not is_text[0])
        what, first = ("a text" if is_text[k] else "a series"), ("a text" if is_text[0] else "a series")
        raise DataError(f"{where}: {places[k]} is {what}, expected {first} like sequence 0. Give one or the other.")
    found: Sequence[Label | tuple[Label, ...]] = () if labels is None else labels_of(labels, where)
    if labels is not None and len(found) != len(given):
        raise DataError(
            f"{where}: there are {len(found):,} labels, expected {len(given):,}, one of each sequence. Give as many of both."
        )
    whole = cast(Sequence[Text], given) if is_text[0] else Ragged.of(_series(given, places, where))
    return Labelled(whole, found, places, "Python objects")


def labels_of(labels: Any, where: str) -> list[Label | tuple[Label, ...]]:
    """Labels as plain Python values; a sequence that can have several of them has a tuple."""
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        array = cast(np.ndarray[Any, Any], labels)
        if not np.isin(array, (0, 1)).all():
            raise DataError(
                f"{where}: labels is an array of shape {array.shape}, expected zeros and ones, a column for each label. "
                "Give 1 where a label is right."
            )
        return [tuple(np.flatnonzero(row).tolist()) for row in array]
    found: list[Label | tuple[Label, ...]] = []
    for label in cast(Iterable[Any], labels):
        if isinstance(label, SCALARS):
            found.append(_plain(label))
        else:
            found.append(tuple(_plain(each) for each in label))
    if len({isinstance(label, tuple) for label in found}) > 1:
        raise DataError(
            f"{where}: some labels are lists and some are not, expected one or the other. Give a list of each sequence."
        )
    return found


def labels_in(given: Labelled, where: str) -> list[Label]:
    """Every label that occurs, in order.

    Raises:
        DataError: there are fewer than two classes, or no label at all where several can be right.
    """
    found = {each for label in given.labels for each in (label if isinstance(label, tuple) else (label,))}
    if len(found) < (1 if given.is_multi_label else 2):
        shown = f"only the label {found.pop()!r}" if found else "no labels"
        raise DataError(
            f"{where}: {given.source} has {shown}, expected at least 2 classes. Give data of several classes."
        )
    return sorted(found, key=lambda label: (isinstance(label, str), label))


def _plain(label: Any) -> Label:
    return cast(Any, label).item() if isinstance(label, np.generic) else label


def _series(given: Sequence[Any], places: Sequence[str], where: str) -> list[np.ndarray]:
    series: list[np.ndarray] = []
    for place, one in zip(places, given, strict=True):
        array = np.asarray(one)
        if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
            raise DataError(
                f"{where}: {place} is {array.dtype} of shape {array.shape}, expected a text, or numbers of shape (T, D) or (T,). "
                "Give one array a sequence."
            )
        array = array.astype(np.float32)[:, None] if array.ndim == 1 else array.astype(np.float32)
        if not len(array):
            raise DataError(f"{where}: {place} has no steps, expected at least 1. Leave it out.")
        if series and array.shape[1] != series[0].shape[1]:
            raise DataError(
                f"{where}: {place} has {array.shape[1]} channels, expected {series[0].shape[1]} like {places[0]}. "
                "Give each sequence the same channels."
            )
        series.append(array)
    return series
