r"""Sentences as columns: one word a line, an empty line after each sentence. CoNLL column files and CoNLL-U.

Column files (CoNLL-2000, CoNLL-2003 and most tagged text): columns stand between tabs or, in a line without a tab, between
blanks; every line has as many as the first one; lines that start with `-DOCSTART-` are boundaries of documents and are left out.
A `#` is a word like any other.

CoNLL-U (https://universaldependencies.org/format.html) is taken where a column is chosen by name (`FORM`, `UPOS` ...) or the
file is called .conllu or .conllup: ten columns between tabs; lines before a sentence that start with `#` are comments, of which
`# global.columns = ...` names the columns (CoNLL-U Plus). Multiword ranges (`1-2`) and empty nodes (`3.1`) are left out: the
words are the syntactic words, numbered 1, 2, 3 ...

A malformed line makes its sentence unfit: when such lines are skipped, the whole sentence is left out, never a word of it. Line
ends, byte order marks and encodings: `opening.py`. Several empty lines are as one; the last sentence needs none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carrousel.data.faults import Faults, LineFault
from carrousel.data.opening import decoded_lines
from carrousel.data.readers.records import Records, gather
from carrousel.errors import ConfigError, counted, nearest

CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
EXPECTED = "a UTF-8 text file with one word a line"
NAMING = "# global.columns ="


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        columns: the chosen columns in the order they were chosen, each with a string for every word.
        line: the number of its first line.
    """

    columns: tuple[tuple[str, ...], ...]
    line: int

    def __len__(self) -> int:
        """Number of words."""
        return len(self.columns[0])


def read_conll(
    path: str | Path, columns: Sequence[int | str] = (0, -1), *, skip_bad: bool = False, where: str = "read_conll"
) -> Records[Sentence]:
    """The sentences of a column file or a CoNLL-U file.

    Args:
        columns: which to read: numbers from 0, negative ones from the end; or names, which makes the file CoNLL-U.
        skip_bad: leave out sentences with a malformed line and count these lines.
        where: what to name in front of an error.

    Raises:
        ConfigError: a column that CoNLL-U does not have, or numbers and names together.
        DataError: the file cannot be used, has no sentence, or has a malformed line.
    """
    faults = Faults(where, skip_bad)
    return gather(Path(path), conll_sentences(Path(path), columns, faults), faults, "sentence")


def conll_sentences(path: Path, columns: Sequence[int | str], faults: Faults) -> Iterator[Sentence]:
    """The sentences one at a time, so that the file may be larger than memory; as `read_conll`."""
    return (found for found in conll_with_gaps(path, columns, faults) if found is not None)


def conll_with_gaps(path: Path, columns: Sequence[int | str], faults: Faults) -> Iterator[Sentence | None]:
    """The same, and None for each sentence that was left out."""
    names = [column for column in columns if isinstance(column, str)]
    if not columns or len(names) not in (0, len(columns)):
        raise ConfigError(
            f"{faults.where}: columns is {list(columns)}, expected numbers from 0, or names of CoNLL-U columns. "
            f"Names: {', '.join(CONLLU)}."
        )
    is_conllu = bool(names) or path.suffix in (".conllu", ".conllup")
    form = _Form(faults.where, tuple(columns), is_conllu, CONLLU if is_conllu else ())
    sentence = _Unfinished()
    for number, line, fault in decoded_lines(path, faults.where, EXPECTED):
        try:
            if fault:
                raise fault
            if form.is_boundary(line):
                yield from sentence.finished()
                sentence = _Unfinished()
            elif form.is_word(line, at_start=not sentence.line):
                sentence.line = sentence.line or number
                sentence.words.append(form.word(line, len(sentence.words) + 1))
        except LineFault as found:
            faults.add(path, number, found.what, found.expected)
            sentence.line, sentence.is_bad = sentence.line or number, True
    yield from sentence.finished()


@dataclass
class _Unfinished:
    """A sentence of which lines may still come."""

    words: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    line: int = 0
    is_bad: bool = False

    def finished(self) -> Iterator[Sentence | None]:
        if self.is_bad:
            yield None
        elif self.words:
            yield Sentence(tuple(zip(*self.words, strict=True)), self.line)


@dataclass
class _Form:
    """How the lines of one file are to be read."""

    where: str
    columns: tuple[int | str, ...]
    is_conllu: bool
    names: tuple[str, ...]
    num_columns: int = 0  # of a column file, once its first word is read
    indices: tuple[int, ...] = ()

    def is_boundary(self, line: str) -> bool:
        if not line.strip(" \t"):
            return True
        return not self.is_conllu and re.split("[ \t]", line, maxsplit=1)[0] == "-DOCSTART-"

    def is_word(self, line: str, at_start: bool) -> bool:
        """Whether a line stands for a word; reads the names of columns from a comment that gives them."""
        if not self.is_conllu:
            return True
        if at_start and line.startswith("#"):
            if line.startswith(NAMING):
                self.names, self.indices = tuple(line.removeprefix(NAMING).split()), ()
            return False
        return not re.match(r"[0-9]+[-.][0-9]+\t", line)

    def word(self, line: str, position: int) -> tuple[str, ...]:
        """The chosen columns of a line.

        Raises:
            LineFault: it has another number of columns, an empty one, or in CoNLL-U a number out of turn.
            ConfigError: there is no such column.
        """
        fields = line.split("\t") if self.is_conllu or "\t" in line else re.split(" +", line.strip(" "))
        expected = len(self.names) if self.is_conllu else self.num_columns or len(fields)
        if len(fields) != expected:
            given = f"has {counted(len(fields), 'column')}"
            reason = "between tabs, as in CoNLL-U" if self.is_conllu else "as in the first line"
            raise LineFault(given, f"{expected} {reason}")
        if not self.indices:
            self.num_columns, self.indices = expected, tuple(self._index(column, expected) for column in self.columns)
        if "ID" in self.names and fields[self.names.index("ID")] != str(position):
            raise LineFault(f"has number {fields[self.names.index('ID')]!r}", f"word {position} of its sentence")
        chosen = tuple(fields[index] for index in self.indices)
        if not all(chosen):
            raise LineFault(f"has nothing in column {self.columns[chosen.index('')]}", "a word or a tag")
        return chosen

    def _index(self, column: int | str, num_columns: int) -> int:
        if isinstance(column, str):
            if column not in self.names:
                raise ConfigError(
                    f"{self.where}: columns has {column!r}, expected a column of the file.{nearest(column, self.names)} "
                    f"Columns: {', '.join(self.names)}."
                )
            return self.names.index(column)
        if not -num_columns <= column < num_columns:
            raise ConfigError(
                f"{self.where}: columns has {column}, expected {-num_columns} to {num_columns - 1}, since the file has "
                f"{num_columns} columns. Count from 0."
            )
        return column
