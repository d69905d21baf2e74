"""A text as the numbers of its symbols, in a training and a held-out part, in memory or mapped from files."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Int64, Integer

from carrousel.data import SAMPLES, Faults, Tokens, read_corpus, split
from carrousel.data.faults import tell_skipped
from carrousel.data.kept import Writer, is_large, kept, size_of, told_of
from carrousel.data.lazy import in_chunks
from carrousel.data.readers.plain import (
    Subwords,
    characters_of,
    cut,
    read_bytes,
    read_pieces,
    words,
)  # fmt: skip
from carrousel.errors import ConfigError, DataError, counted
from carrousel.models.language_model.settings import DataSettings
from carrousel.models.language_model.vocabularies import (
    SPECIALS,
    ByteVocabulary,
    SubwordVocabulary,
    Vocabulary,
    WordVocabulary,
    unit_of,
    vocabulary_of,
)  # fmt: skip

Pieces = Callable[[], Iterator[str]]
"""The pieces of a text, from its begin each time it is called."""
CHUNK = 2**20
"""Numbers looked at together, where a whole text would be too many."""


@dataclass(frozen=True, eq=False)
class Text:
    """What a language model learns from.

    Attributes:
        name: for the run folder.
        source: where it came from, in a few words.
        vocabulary: of the training part.
        train: its symbols.
        valid: those held out.
        skipped: how many malformed bytes were left out, in words; empty for none.
        store: where the numbers are kept, as a sentence; empty where they are in memory.
    """

    name: str
    source: str
    vocabulary: Vocabulary
    train: Integer[np.ndarray, " T"]
    valid: Integer[np.ndarray, " T_valid"]
    skipped: str = ""
    store: str = ""

    @cached_property
    def counts(self) -> Int64[np.ndarray, " C"]:
        """How often each symbol occurs in the training part."""
        counts = np.zeros(len(self.vocabulary), np.int64)
        for begin in range(0, len(self.train), CHUNK):
            counts += np.bincount(self.train[begin : begin + CHUNK], minlength=len(counts))
        return counts

    @cached_property
    def fingerprint(self) -> str:
        """A digest of both parts and of the vocabulary."""
        digest = hashlib.sha256(json.dumps(self.vocabulary.to_dict(), ensure_ascii=False).encode())
        for part in (self.train, self.valid):
            digest.update(f"\0{len(part)} {part.dtype}\0".encode())
            for begin in range(0, len(part), CHUNK):
                digest.update(np.ascontiguousarray(part[begin : begin + CHUNK]).tobytes())
        return digest.hexdigest()

    @property
    def unknown_part(self) -> float:
        """The part of the held-out symbols that the vocabulary does not know, 0 to 1."""
        return unknown_part(self.vocabulary, self.valid)


def unknown_part(vocabulary: Vocabulary, ids: Integer[np.ndarray, " T"]) -> float:
    """The part of these symbols that the vocabulary does not know, 0 to 1."""
    if vocabulary.unknown is None or not len(ids):
        return 0.0
    chunks = (ids[begin : begin + CHUNK] for begin in range(0, len(ids), CHUNK))
    return sum(int(np.count_nonzero(chunk == vocabulary.unknown)) for chunk in chunks) / len(ids)


def read_training_text(
    settings: DataSettings, window: int, batch_size: int, where: str, lines: Sequence[str] | None = None
) -> Text:
    """The text that the settings name, or lines of one.

    Args:
        window: steps of back-propagation.
        batch_size: streams read side by side.
        where: what to name in front of an error.
        lines: in place of the file.

    Raises:
        ConfigError, DataError: a file or setting that cannot be used.
    """
    if settings.unit == "byte" and lines is None and settings.text not in SAMPLES and not _is_plain(settings):
        return _bytes_of(settings, where)
    return _kept(settings, _material_of(settings, window, batch_size, where, lines), where)


@dataclass(frozen=True)
class _Material:
    """The text that the settings name, unread where it is a file.

    Attributes:
        parts: what is malformed goes to these -> the training part and the held-out part.
        files: that they are read from.
        content: a digest of what is not read from a file.
    """

    name: str
    source: str
    parts: Callable[[Faults], list[Pieces]]
    files: Sequence[Path] = ()
    content: str = ""


def _material_of(
    settings: DataSettings, window: int, batch_size: int, where: str, lines: Sequence[str] | None
) -> _Material:
    valid = None if settings.valid is None else Path(settings.valid)

    def of_strings(name: str, source: str, train: str, held_out: str) -> _Material:
        digest = hashlib.sha256(f"{train}\0{held_out}".encode("utf-8", "surrogatepass")).hexdigest()
        files = [] if valid is None else [valid]
        return _Material(
            name,
            source,
            lambda faults: [_again(train), *(_of_file(file, faults) for file in files), _again(held_out)][:2],
            files,
            digest,
        )

    if lines is not None:
        return of_strings("lines", f"{len(lines):,} lines", *split("\n".join(lines) + "\n"))
    if settings.text in SAMPLES or _is_plain(settings):
        corpus = read_corpus(settings.text, window=window, batch_size=batch_size, where=where)
        return of_strings(corpus.name, corpus.source, corpus.train, corpus.valid)
    files = [Path(settings.text), *([] if valid is None else [valid])]
    return _Material(Path(settings.text).stem, settings.text, lambda faults: _file_parts(settings, faults), files)


def _read(settings: DataSettings, material: _Material, faults: Faults) -> tuple[Vocabulary, list[Pieces]]:
    """The vocabulary of the training part, and both parts."""
    again = Faults(faults.where, faults.skip_bad)  # the training part is read twice, and counted once
    return _vocabulary_of(settings, material.parts(again)[0], faults.where), material.parts(faults)


def _kept(settings: DataSettings, material: _Material, where: str) -> Text:
    """The text as numbers, kept as `data/kept.py` says."""

    def make(writer: Writer) -> dict[str, Any]:
        faults = Faults(where, settings.skip_bad)
        vocabulary, parts = _read(settings, material, faults)
        for name, part in zip(("train", "valid"), parts, strict=True):
            with writer.array(name, vocabulary.dtype) as ids:
                for chunk in _chunks_of_ids(vocabulary, part):
                    ids.append(chunk)
        return {"vocabulary": vocabulary.to_dict(), "report": faults.report()}

    how = settings.model_dump(include={"unit", "min_count", "max_size", "skip_bad"})
    files = [*material.files, *([] if settings.tokenizer is None else [Path(settings.tokenizer)])]
    about = {"text": 1, **how, "has_valid": settings.valid is not None, "content": material.content}
    folder = None if settings.store is None else Path(settings.store)
    found = kept(None if folder is None else folder / "text", files, about, make, where)
    return Text(
        material.name,
        material.source,
        vocabulary_of(found.description["vocabulary"]),
        found["train"].values,
        found["valid"].values,
        found.description["report"],
        told_of(folder, [found]),
    )


def ids_of(vocabulary: Vocabulary, data: Any, where: str, skip_bad: bool = False) -> Integer[np.ndarray, " T"]:
    """The symbols of a text file or of a list of lines, as a trained model numbers them.

    Raises:
        ConfigError: `data` is something else.
        DataError: the file cannot be used, or there are fewer than two symbols.
    """
    is_file = isinstance(data, (str, Path))
    ids = (
        read_ids(vocabulary, Path(data), where, skip_bad)
        if is_file
        else _ids_of(vocabulary, [], _again("\n".join(lines_of(data, where)) + "\n"), where)
    )
    if len(ids) < 2:
        raise DataError(
            f"{where}: {data if is_file else 'data'} has {counted(len(ids), unit_of(vocabulary))}, expected at least 2: each is "
            "predicted from those before it. Give a longer text."
        )
    return ids


def read_ids(vocabulary: Vocabulary, path: Path, where: str, skip_bad: bool = False) -> Integer[np.ndarray, " T"]:
    """The symbols of a file, as a trained model numbers them.

    Args:
        skip_bad: leave out malformed bytes; a `SkippedWarning` counts and names them.

    Raises:
        DataError: the file cannot be used.
    """
    if isinstance(vocabulary, ByteVocabulary):
        return read_bytes(path, where)
    faults = Faults(where, skip_bad)
    ids = _ids_of(vocabulary, [path], _of_file(path, faults), where)
    tell_skipped(faults.report())
    return ids


def _is_plain(settings: DataSettings) -> bool:
    """Whether a file is read at once, as characters: the errors are then about characters, such as too few of them."""
    is_bare = settings.text == Path(settings.text).stem and not Path(settings.text).exists()
    is_simple = settings.valid is None and settings.store is None and not settings.skip_bad
    is_small = not is_large(size_of([Path(settings.text)]))
    return is_bare or (settings.unit in ("char", "word") and is_simple and is_small)


def _again(text: str) -> Pieces:
    return lambda: iter([text])


def _of_file(path: Path, faults: Faults, begin: int = 0, end: int | None = None) -> Pieces:
    return lambda: read_pieces(path, faults, begin, end)


def _file_parts(settings: DataSettings, faults: Faults) -> list[Pieces]:
    path = Path(settings.text)
    if settings.valid is not None:
        return [_of_file(path, faults), _of_file(Path(settings.valid), faults)]
    mark = cut(path, faults.where)
    return [_of_file(path, faults, 0, mark), _of_file(path, faults, mark)]


def _bytes_of(settings: DataSettings, where: str) -> Text:
    """A file as its bytes, mapped."""
    path = Path(settings.text)
    whole = read_bytes(path, where)
    mark = len(whole) * 9 // 10
    valid = whole[mark:] if settings.valid is None else read_bytes(Path(settings.valid), where)
    return Text(path.stem, settings.text, ByteVocabulary(), whole if settings.valid else whole[:mark], valid)


def _vocabulary_of(settings: DataSettings, train: Pieces, where: str) -> Vocabulary:
    match settings.unit:
        case "char":
            return characters_of(train())
        case "word":
            return WordVocabulary(Tokens.of(words(train()), settings.min_count, settings.max_size, SPECIALS))
        case "byte":
            return ByteVocabulary()
        case "subword":
            return SubwordVocabulary(Subwords.read(cast(str, settings.tokenizer), where))


def _chunks_of_ids(vocabulary: Vocabulary, pieces: Pieces) -> Iterator[Integer[np.ndarray, "..."]]:
    if isinstance(vocabulary, WordVocabulary):
        return (vocabulary.tokens.encode(chunk) for chunk in in_chunks(words(pieces())))
    return (vocabulary.encode(piece) for piece in pieces())


def _ids_of(vocabulary: Vocabulary, files: Sequence[Path], pieces: Pieces, where: str) -> Integer[np.ndarray, " T"]:
    """The symbols of a text from these files, kept as `data/kept.py` says."""

    def make(writer: Writer) -> dict[str, Any]:
        with writer.array("ids", vocabulary.dtype) as ids:
            for chunk in _chunks_of_ids(vocabulary, pieces):
                ids.append(chunk)
        return {}

    return kept(None, files, {}, make, where)["ids"].values


def lines_of(data: Any, where: str) -> list[str]:
    """Lines given as Python objects.

    Raises:
        ConfigError: they are something else.
    """
    if isinstance(data, str) or not all(isinstance(line, str) for line in data):
        raise ConfigError(
            f"{where}: data is a {type(data).__name__}, expected a path, or a list of lines of text. Split a text into its lines: "
            "text.splitlines()"
        )
    return list(data)
