"""Tagged sentences: from files, from Python objects, in a part to learn from and one to measure on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from carrousel.data.faults import Faults
from carrousel.data.opening import read_lines
from carrousel.data.readers.conll import read_conll
from carrousel.data.splits import a_tenth
from carrousel.errors import ConfigError, DataError

CONLLU = (".conllu", ".conllup")
Column = int | str | None


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

    def some(self, rows: Iterable[int]) -> "Sentences":
        """These sentences."""
        rows = list(rows)
        words, tags = ([every[k] for k in rows] for every in (self.words, self.tags))
        return Sentences(words, tags, [self.places[k] for k in rows], self.source, self.report)


def read_sentences(
    path: Path,
    word_column: Column = None,
    tag_column: Column = None,
    *,
    is_tagged: bool = True,
    skip_bad: bool = False,
    where: str = "read_sentences",
) -> Sentences:
    """The sentences of a file of CoNLL columns or of CoNLL-U.

    Args:
        word_column, tag_column: numbers or names; None for FORM and UPOS in CoNLL-U, the first and the last elsewhere.
        is_tagged: whether the tags are read, too.

    Raises:
        DataError: the file cannot be used or has a malformed line.
        ConfigError: there are no such columns.
    """
    has_names = path.suffix in CONLLU
    columns: list[int | str] = [word_column if word_column is not None else "FORM" if has_names else 0]
    if is_tagged:
        columns.append(tag_column if tag_column is not None else "UPOS" if has_names else -1)
    records = read_conll(path, columns, skip_bad=skip_bad, where=where)
    return Sentences(
        words=[sentence.columns[0] for sentence in records],
        tags=[sentence.columns[1] for sentence in records] if is_tagged else [],
        places=[f"{path}, line {sentence.line:,}" for sentence in records],
        source=str(path),
        report=records.faults.report(),
    )


def read_plain(path: Path, where: str) -> Sentences:
    """The sentences of a text file: one a line, blanks between the words; empty lines are left out.

    Raises:
        DataError: the file cannot be used.
    """
    lines = read_lines(path, Faults(where), "a UTF-8 text file with a sentence a line, blanks between its words")
    found = [(number, line.split()) for number, line in lines if line.strip()]
    return Sentences([words for _, words in found], [], [f"{path}, line {number:,}" for number, _ in found], str(path))


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
    return sentences.some(learned.tolist()), sentences.some(measured.tolist())


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
