"""Text as the symbols of a model: characters, words, bytes, or the tokens of a `tokenizers` file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Integer

from carrousel.data import CharVocabulary, Tokens
from carrousel.data.readers.plain import END_OF_LINE, Subwords, words
from carrousel.data.tokens import UNKNOWN

SPECIALS = (UNKNOWN, END_OF_LINE)


@runtime_checkable
class Vocabulary(Protocol):
    """What a language model needs to know of its symbols; `carrousel.data.CharVocabulary` is one."""

    def __len__(self) -> int:
        """Number of symbols."""
        ...

    @property
    def unknown(self) -> int | None:
        """The number of everything that is not known; it is never written. None where all is known."""
        ...

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """The smallest type that holds every number."""
        ...

    def encode(self, text: str) -> Integer[np.ndarray, " T"]:
        """The numbers of a text."""
        ...

    def decode(self, ids: Integer[np.ndarray, " T"]) -> str:
        """The text of these numbers."""
        ...

    def unknown_in(self, text: str) -> dict[str, int]:
        """How often each thing that is not known occurs in a text, most frequent first."""
        ...

    def to_dict(self) -> Mapping[str, Any]:
        """A description that JSON can hold."""
        ...


@dataclass(frozen=True)
class WordVocabulary:
    r"""Words: what stands between white space, and `<eos>` for each line end.

    A text that has `<unk>` or `<eos>` written in it means these.

    >>> words = WordVocabulary.of("the cat sat\non the mat\n", max_size=5)
    >>> words.tokens.strings
    ('<unk>', '<eos>', 'the', 'cat', 'mat')
    >>> words.encode("the dog\n"), words.decode(words.encode("the dog\ncat"))
    (array([2, 0, 1], dtype=uint8), 'the <unk>\ncat')
    """

    tokens: Tokens

    @classmethod
    def of(cls, text: str, min_count: int = 1, max_size: int | None = None) -> "WordVocabulary":
        """The words of a text.

        Args:
            min_count: words that occur less often are left out.
            max_size: most symbols to have, <unk> and <eos> included.
        """
        return cls(Tokens.of(words([text]), min_count, max_size, SPECIALS))

    def __len__(self) -> int:
        """Known words, <unk> and <eos>."""
        return len(self.tokens)

    @property
    def unknown(self) -> int:
        """The number of <unk>."""
        return 0

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """The smallest type that holds every number."""
        return self.tokens.dtype

    def encode(self, text: str) -> Integer[np.ndarray, " T"]:
        """The number of each word and of each line end."""
        return self.tokens.encode(text.replace("\n", f" {END_OF_LINE} ").split())

    def decode(self, ids: Integer[np.ndarray, " T"]) -> str:
        """The words with spaces between them."""
        text = " ".join("\n" if word == END_OF_LINE else word for word in self.tokens.decode(ids))
        return text.replace(" \n", "\n").replace("\n ", "\n")

    def unknown_in(self, text: str) -> dict[str, int]:
        """How often each word that is not known occurs, most frequent first."""
        return self.tokens.unknown_in(text.split())

    def to_dict(self) -> dict[str, Any]:
        """A description that JSON can hold."""
        return {"unit": "word", **self.tokens.to_dict()}


@dataclass(frozen=True)
class ByteVocabulary:
    """The 256 bytes of UTF-8, or of any file."""

    def __len__(self) -> int:
        """256."""
        return 256

    @property
    def unknown(self) -> None:
        """Every byte is known."""
        return None

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """A byte."""
        return np.dtype(np.uint8)

    def encode(self, text: str) -> Integer[np.ndarray, " T"]:
        """The bytes of a text."""
        return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)

    def decode(self, ids: Integer[np.ndarray, " T"]) -> str:
        """The text that these bytes are; U+FFFD where they are none."""
        return ids.astype(np.uint8).tobytes().decode("utf-8", "replace")

    def unknown_in(self, text: str) -> dict[str, int]:
        """Nothing."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """A description that JSON can hold."""
        return {"unit": "byte"}


@dataclass(frozen=True)
class SubwordVocabulary:
    """The tokens of a tokenizer.json, as Hugging Face's `tokenizers` writes it."""

    subwords: Subwords

    def __len__(self) -> int:
        """Tokens that the tokenizer can give."""
        return len(self.subwords)

    @property
    def unknown(self) -> None:
        """What a tokenizer does not know, it says in its own way."""
        return None

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """The smallest type that holds every number."""
        return self.subwords.dtype

    def encode(self, text: str) -> Integer[np.ndarray, " T"]:
        """The tokens of a text, none added to its start or end."""
        return self.subwords.encode(text)

    def decode(self, ids: Integer[np.ndarray, " T"]) -> str:
        """The text of these tokens."""
        return self.subwords.decode(ids)

    def unknown_in(self, text: str) -> dict[str, int]:
        """Nothing."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """A description that JSON can hold."""
        return {"unit": "subword", **self.subwords.to_dict()}


def unit_of(vocabulary: Vocabulary) -> str:
    """ "char", "word", "byte" or "subword"."""
    return vocabulary.to_dict().get("unit", "char")


def vocabulary_of(saved: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary that `to_dict` described.

    Raises:
        KeyError: the description is damaged.
    """
    match saved.get("unit", "char"):
        case "word":
            return WordVocabulary(Tokens.from_dict(saved))
        case "byte":
            return ByteVocabulary()
        case "subword":
            return SubwordVocabulary(Subwords.from_dict(saved))
        case _:
            return CharVocabulary.from_dict({"characters": saved["characters"]})


def symbols_of(vocabulary: Vocabulary) -> Sequence[str]:
    """What each number of a vocabulary stands for, as text that tells it from all others."""
    match vocabulary:
        case WordVocabulary():
            return vocabulary.tokens.strings
        case CharVocabulary():
            return [*vocabulary.characters, "<unknown>"]
        case _:
            return [f"{unit_of(vocabulary)} {k}" for k in range(len(vocabulary))]


def line_end_of(vocabulary: Vocabulary) -> int | None:
    """The symbol at which a line ends, or None where no one symbol says it."""
    ids = vocabulary.encode("\n")
    return int(ids[0]) if len(ids) == 1 and ids[0] != vocabulary.unknown else None
