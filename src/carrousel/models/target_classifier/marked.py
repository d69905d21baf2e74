"""Texts in which one word or phrase, the target, is marked: `$T$` stands in its place."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from carrousel.data.faults import LineFault
from carrousel.data.readers.labelled import Labelled as Text
from carrousel.errors import DataError
from carrousel.models.classifier.files import Source, label_of, texts_in
from carrousel.models.classifier.inputs import split
from carrousel.models.classifier.sequences import Label, Labelled, labels_of

MARK = "$T$"


class Marked(NamedTuple):
    """A text in three pieces, and what is known of its target."""

    left: str
    target: str
    right: str
    lemma: str = ""

    def __str__(self) -> str:
        """The text, with the target in brackets."""
        return f"{self.left}[{self.target}]{self.right}"


def marked(text: str, target: str, lemma: str = "") -> Marked:
    """A text with `$T$` in it, taken apart there.

    Raises:
        LineFault: the mark is not there exactly once, or the target is empty.

    >>> str(marked("the $T$ was cold", "soup"))
    'the [soup] was cold'
    """
    pieces = text.split(MARK)
    if len(pieces) != 2:
        raise LineFault(f"has {MARK} {len(pieces) - 1} times in its text", "it once, in place of the target")
    if not target.strip():
        raise LineFault("has an empty target", f"the words that {MARK} stands for")
    return Marked(pieces[0], target, pieces[1], lemma)


def marked_in(
    path: Path, columns: Mapping[str, Any], extra: tuple[str, ...], where: str, *, is_labelled: bool, skip_bad: bool
) -> Source:
    """A table of texts with `$T$` in them.

    Args:
        extra: columns of the target, and where there are lemmas, of the lemma.

    Raises:
        ConfigError: on reading, a column is missing.
        DataError: on reading, the file cannot be used, or a row is malformed and malformed rows are not skipped.
    """

    def one_of(text: Text) -> tuple[Marked, Label | tuple[Label, ...]]:
        return marked(text.text, *text.extra), label_of(text, False) if is_labelled else ()

    return texts_in(
        path,
        columns,
        extra,
        one_of,
        where,
        is_labelled=is_labelled,
        skip_bad=skip_bad,
        width=len(Marked._fields),
        made=Marked._make,
    )


def marked_objects(given: Any, labels: Any, where: str, num_names: int = 1) -> Labelled:
    """Python objects: (text with `$T$`, target), and for senses (text with `$T$`, target, lemma).

    Args:
        num_names: strings that follow the text.

    Raises:
        DataError: nothing is given, something else is given, or as many labels as texts are not.
    """
    items = list(cast(Sequence[Any], given))
    if not items:
        raise DataError(f"{where}: there are no texts, expected at least 1. Give (text, target) pairs.")
    places: Sequence[str] = [f"text {k:,}" for k in range(len(items))]
    names = ("text", "target", "lemma")[: num_names + 1]
    found: list[Marked] = []
    for place, item in zip(places, items, strict=True):
        strings = list(cast(Sequence[Any], item)) if isinstance(item, tuple | list) else []
        if len(strings) != len(names) or not all(isinstance(s, str) for s in strings):
            raise DataError(
                f"{where}: {place} is {item!r}, expected ({', '.join(names)}), all strings. Give such tuples."
            )
        try:
            found.append(marked(*strings))
        except LineFault as fault:
            raise DataError(f"{where}: {place} {fault.what}, expected {fault.expected}. Correct it.") from None
    known: Sequence[Label | tuple[Label, ...]] = () if labels is None else labels_of(labels, where)
    if labels is not None and len(known) != len(items):
        raise DataError(
            f"{where}: there are {len(known):,} labels, expected {len(items):,}, one of each text. Give as many of both."
        )
    return Labelled(found, known, places, "Python objects")


def words_of(given: Labelled, lowercase: bool) -> Iterator[list[str]]:
    """All words of each text, in order."""
    for one in cast(Sequence[Marked], given.sequences):
        yield [word for piece in one[:3] for word in split(piece, "word", lowercase)]
