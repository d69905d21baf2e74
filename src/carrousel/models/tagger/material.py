"""What a tagger learns from and is measured on: sentences in memory or on the disk, their tags in a scheme, all as numbers."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from carrousel.data.kept import Kept, size_of
from carrousel.data.lazy import Made
from carrousel.errors import ConfigError
from carrousel.heads.legal_tags import SCHEMES, is_legal
from carrousel.models.spans import convert
from carrousel.models.tagger.network import TaggerNetwork
from carrousel.models.tagger.sentences import (
    File,
    Sentences,
    held_out,
    read_sentences,
    tagged_sentences,
)
from carrousel.models.tagger.settings import TaggerSettings
from carrousel.models.tagger.words import Encoded, WordInput, normal_form

Tags = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Parts:
    """The sentences to learn from, those to measure on, and where they are kept.

    Attributes:
        folder: that the user named to keep them in.
        kept: what is kept of them.
        size: bytes of the file to learn from; 0 of Python objects.
    """

    train: Sentences
    valid: Sentences
    folder: Path | None = None
    kept: list[Kept] = field(default_factory=list[Kept])
    size: int = 0


def read_parts(settings: TaggerSettings, where: str, data: Any) -> Parts:
    """The sentences that the settings name, or Python objects, in a part to learn from and one to measure on.

    Raises:
        ConfigError, DataError: settings or data that cannot be used.
    """
    section, seed = settings.data, settings.train.seed
    if data is not None:
        return Parts(*held_out(tagged_sentences(data, where), seed, where))
    if section.train is None:
        raise ConfigError(f"{where}: data.train is null, expected the path of a file. Set it: data.train=FILE")
    columns = section.word_column, section.tag_column
    files = [
        File(Path(path), *columns, skip_bad=section.skip_bad, where=where)
        for path in (section.train, section.valid)
        if path is not None
    ]
    folder = None if section.store is None else Path(section.store)
    read = [
        read_sentences(file, None if folder is None else folder / name)
        for file, name in zip(files, ("train", "valid"), strict=False)
    ]
    parts = [part for part, _ in read]
    train, valid = parts if len(parts) == 2 else held_out(parts[0], seed, where)
    return Parts(train, valid, folder, [kept for _, kept in read], size_of([files[0].path]))


def encoded_of(settings: TaggerSettings, network: TaggerNetwork, parts: Parts, learned: Tags, where: str) -> Encoded:
    """The training sentences as numbers, kept as the sentences are."""
    tags = (network.labels.encode(row).astype(np.int64) for row in learned)
    is_part = settings.data.valid is None  # of the file: which one the seed says
    of = {
        "sentences": parts.kept[0].fingerprint if parts.kept else "",
        "seed": settings.train.seed if is_part else None,
        "scheme": settings.data.scheme,
        "tags": network.labels.to_dict(),
    }
    folder = None if parts.folder is None else parts.folder / "numbers"
    encoded, kept = network.read.keep(parts.train.words, tags, folder, of, where, parts.size)
    parts.kept.append(kept)
    return encoded


def schemes_of(tags: Tags, wanted: str, has_spans: bool, where: str) -> tuple[Tags, str | None, str | None]:
    """The tags as they are learned, their scheme, and the scheme of the data where that is another.

    Raises:
        ConfigError: a scheme is wanted for tags that write no spans.
    """
    if not has_spans:
        if wanted != "keep":
            raise ConfigError(
                f"{where}: data.scheme is {wanted}, expected keep, since the tags of the data are no B-, I-, E-, S- and O. "
                "Check data.tag_column, or leave data.scheme out."
            )
        return tags, None, None
    found = next((scheme for scheme in SCHEMES if all(is_legal(row, scheme) for row in tags)), None)
    if wanted in ("keep", found):
        return tags, found, None
    return Made(tags, lambda row: convert(row, wanted)), wanted, found or "bio"


def unknown_part(read: WordInput, valid: Sentences) -> float:
    """The part of the held-out words that are read as unknown."""
    normal = (normal_form(word, False, read.zero_digits) for sentence in valid.words for word in sentence)
    num_words = num_unknown = 0
    for word in normal:
        num_words, num_unknown = num_words + 1, num_unknown + (read.number(word) == read.words.unknown)
    return num_unknown / num_words


def fingerprint_of(*parts: Sentences) -> str:
    """A digest of all words and tags."""
    digest = hashlib.sha256()
    for text in _as_json(parts):
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _as_json(parts: Iterable[Sentences]) -> Iterator[str]:
    """The words and tags of all sentences as one list, a sentence at a time."""
    for k, part in enumerate(parts):
        yield ", [" if k else "[["
        for i, rows in enumerate((part.words, part.tags)):
            yield ", [" if i else "["
            for number, row in enumerate(rows):
                yield (", " if number else "") + json.dumps(list(row), ensure_ascii=False)
            yield "]"
        yield "]"
    yield "]"
