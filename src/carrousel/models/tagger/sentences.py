"""Tagged sentences: from files or from Python objects; a part to learn from and one to measure on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Int32, Int64

from carrousel.data.faults import Faults, with_gaps
from carrousel.data.kept import Kept, Writer, kept
from carrousel.data.lazy import Chosen, Made, Strings, write_strings
from carrousel.data.opening import read_lines
from carrousel.data.readers.conll import Sentence, conll_sentences, conll_with_gaps
from carrousel.data.readers.records import some
from carrousel.data.splits import a_tenth
from carrousel.errors import ConfigError, DataError

CONLLU = (".conllu", ".conllup")
Column = int | str | None
AT_ONCE = 1 << 16  # words, where a whole file would be too many


@dataclass(frozen=True, eq=False)
class Sentences:
    """Sentences with or without tags.

    Attributes:
        words: of each sentence, at least one.
        tags: as many, or nothing at all where they are not known.
        places: what names each sentence in the user's data, such as "train.conllu, line 7".
        source: where they are from.
        report: on malformed lines that were skipped; empty when there was none.
    """

    words: Sequence[Sequence[str]]
    tags: Sequence[Sequence[str]]
    places: Sequence[str]
    source: str
    report: str = ""

    def __len__(self) -> int:
        """Number of sentences."""
        return len(self.words)

    @property
    def num_words(self) -> int:
        """Words in all sentences."""
        return sum(map(len, self.words))

    def some(self, rows: Int64[np.ndarray, " K"]) -> "Sentences":
        """These sentences, a view."""
        words, tags, places = Chosen(self.words, rows), Chosen(self.tags, rows), Chosen(self.places, rows)
        return Sentences(words, tags, places, self.source, self.report)


@dataclass(frozen=True)
class File:
    """A file of CoNLL columns or of CoNLL-U, and what is read of it.

    Attributes:
        path: of the file.
        word_column, tag_column: numbers or names; None for FORM and UPOS in CoNLL-U, the first and the last elsewhere.
        is_tagged: whether the tags are read, too.
        skip_bad: leave out sentences with a malformed line and count these lines.
        where: what to name in front of an error.
    """

    path: Path
    word_column: Column = None
    tag_column: Column = None
    is_tagged: bool = True
    skip_bad: bool = False
    where: str = "read_sentences"

    @property
    def columns(self) -> list[int | str]:
        """The columns as the reader wants them."""
        has_names = self.path.suffix in CONLLU
        columns: list[int | str] = [
            self.word_column if self.word_column is not None else "FORM" if has_names else 0,
        ]
        if self.is_tagged:
            columns.append(self.tag_column if self.tag_column is not None else "UPOS" if has_names else -1)
        return columns

    def sentences(self, faults: Faults) -> Iterator[Sentence]:
        """The sentences, one at a time.

        Raises:
            DataError: the file cannot be used, has no sentence or a malformed line.
            ConfigError: there are no such columns.
        """
        return some(self.path, conll_sentences(self.path, self.columns, faults), faults, "sentence")

    def column(self, k: int, faults: Faults) -> Iterator[Sequence[str]]:
        """The words (0) or the tags (1) of each sentence, one at a time; errors as `sentences`."""
        return (sentence.columns[k] for sentence in self.sentences(faults))

    def words(self, faults: Faults) -> Iterator[Sequence[str]]:
        """The words of each sentence, one at a time; none of one that was left out. Errors as `sentences`."""
        found = some(self.path, conll_with_gaps(self.path, self.columns, faults), faults, "sentence")
        return (() if sentence is None else sentence.columns[0] for sentence in found)

    def place(self, line: int) -> str:
        """What names the sentence that begins in a line."""
        return f"{self.path}, line {line:,}"


def read_sentences(file: File, folder: Path | None = None) -> tuple[Sentences, Kept]:
    """The sentences of a file with tags, each decoded when it is asked for, and where they are kept (`data/kept.py`).

    Args:
        folder: to keep them in, if the user named one.

    Raises:
        DataError: as `File.sentences`, or the folder cannot be written.
    """

    def make(writer: Writer) -> dict[str, Any]:
        faults, numbers = Faults(file.where, file.skip_bad), dict[str, int]()
        with (
            writer.array("words", np.uint8) as words,
            writer.array("tags", np.int32) as tags,
            writer.array("lines", np.int64) as lines,
        ):
            for sentence in file.sentences(faults):
                write_strings(words, ["\n".join(sentence.columns[0])])
                tags.append(np.array([numbers.setdefault(tag, len(numbers)) for tag in sentence.columns[-1]], np.int32))
                lines.append(np.array([sentence.line]))
        return {"tags": list(numbers), "report": faults.report()}

    settings = {"sentences": 1, "columns": file.columns, "skip_bad": file.skip_bad, "name": str(file.path.suffix)}
    place = kept(folder, [file.path], settings, make, file.where)
    names: list[str] = place.description["tags"]

    def tags_of(ids: Int32[np.ndarray, " T"]) -> list[str]:
        return [names[k] for k in ids.tolist()]

    def place_of(line: Int64[np.ndarray, " 1"]) -> str:
        return file.place(int(line[0]))

    found = Sentences(
        words=Made(Strings(place["words"]), lambda record: record[0].split("\n")),
        tags=Made(place["tags"], tags_of),
        places=Made(place["lines"], place_of),
        source=str(file.path),
        report=place.description["report"],
    )
    return found, place


def read_plain(path: Path, faults: Faults) -> Iterator[list[str]]:
    """The sentences of a text file, one at a time: one a line, blanks between the words; empty lines are left out.

    A malformed line that is skipped is a sentence without words.

    Raises:
        DataError: the file cannot be used, or a malformed line is not skipped.
    """
    lines = read_lines(path, faults, "a UTF-8 text file with a sentence a line, blanks between its words")
    return ([] if line is None else line[1].split() for line in with_gaps(lines, faults) if not line or line[1].strip())


def tagged_sentences(data: Any, where: str) -> Sentences:
    """Python objects: for each sentence a list of (word, tag).

    Raises:
        DataError: they are something else, or there is none.
    """
    sentences = list(cast(Iterable[Any], data))
    for k, sentence in enumerate(sentences):
        if not sentence or isinstance(sentence, str) or not all(map(_is_pair, sentence)):
            raise DataError(
                f"{where}: sentence {k} is {_short(sentence)}, expected a list of (word, tag), such as [('The', 'DET'), ('cat', "
                "'NOUN')]. Correct it, or leave it out."
            )
    if not sentences:
        raise DataError(f"{where}: there are no sentences, expected a list of them. Give some.")
    words = [[word for word, _ in sentence] for sentence in sentences]
    tags = [[tag for _, tag in sentence] for sentence in sentences]
    return Sentences(words, tags, [f"sentence {k:,}" for k in range(len(words))], "Python objects")


def split_sentences(data: Any, where: str) -> list[list[str]]:
    """Python objects: for each sentence a list of words, which may be empty.

    Raises:
        DataError: they are something else.
    """
    sentences = [sentence if isinstance(sentence, str) else list(sentence) for sentence in cast(Iterable[Any], data)]
    for k, sentence in enumerate(sentences):
        if isinstance(sentence, str) or not all(isinstance(word, str) and word for word in sentence):
            raise DataError(
                f"{where}: sentence {k} is {_short(sentence)}, expected a list of words, such as ['The', 'cat']. Split it."
            )
    return cast(list[list[str]], sentences)


def held_out(sentences: Sentences, seed: int, where: str) -> tuple[Sentences, Sentences]:
    """Nine tenths of the sentences and the tenth left, drawn by the seed; both in their own order.

    Raises:
        DataError: there are fewer than 2.
    """
    if len(sentences) < 2:
        raise DataError(
            f"{where}: {sentences.source} has 1 sentence, expected at least 2, one to learn from and one to measure on. Give more."
        )
    learned, measured = a_tenth(len(sentences), seed)
    return sentences.some(learned), sentences.some(measured)


def check_option(where: str, name: str, value: Any, known: Sequence[Any]) -> None:
    """Refuse an option of `predict` that does not exist.

    Raises:
        ConfigError: `value` is none of those known.
    """
    if value not in known:
        shown = ", ".join(map(str, known))
        raise ConfigError(f"{where}: {name} is {value}, expected one of {shown}. Choose one: {name}={known[0]}")


def _is_pair(given: Any) -> bool:
    parts = cast(list[Any], given) if isinstance(given, tuple | list) else []
    return len(parts) == 2 and all(isinstance(part, str) and part for part in parts)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
