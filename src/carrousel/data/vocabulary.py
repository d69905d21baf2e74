"""Characters as numbers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Integer, UInt32

from carrousel.errors import DataError

UNKNOWN = "\ufffd"  # what an id without a character is written as


@dataclass(frozen=True)
class CharVocabulary:
    """The characters of a text, numbered in code point order from 0, and one number more for every other character.

    Attributes:
        characters: each known character once, sorted.

    Raises:
        DataError: `characters` is unsorted or repeats itself.

    >>> vocabulary = CharVocabulary.of("banana")
    >>> vocabulary.encode("bandana")
    array([1, 0, 2, 3, 0, 2, 0], dtype=uint8)
    >>> vocabulary.decode(vocabulary.encode("bandana"))
    'ban\ufffdana'
    """

    characters: str

    def __post_init__(self) -> None:
        if self.characters != "".join(sorted(set(self.characters))):
            raise DataError(
                f"CharVocabulary: characters is {self.characters!r}, expected each character once, "
                "in code point order. Use CharVocabulary.of(text)."
            )

    @classmethod
    def of(cls, text: str) -> "CharVocabulary":
        """The vocabulary of the characters that occur in `text`."""
        return cls("".join(sorted(set(text))))

    @classmethod
    def from_dict(cls, saved: Mapping[str, str]) -> "CharVocabulary":
        """The vocabulary that `to_dict` described."""
        return cls(saved["characters"])

    def to_dict(self) -> dict[str, str]:
        """A description that JSON can hold."""
        return {"characters": self.characters}

    def __len__(self) -> int:
        """The known characters and the unknown one: the number of classes of a language model."""
        return len(self.characters) + 1

    @property
    def unknown(self) -> int:
        """The id of every character that is not known: the highest."""
        return len(self.characters)

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """The smallest of uint8, int16 and int32 that holds every id (all three exist in torch)."""
        return dtype_for(self.unknown)

    def encode(self, text: str) -> Integer[np.ndarray, " T"]:
        """The id of each character; `unknown` for those not in the vocabulary."""
        points = _code_points(text)
        ids = np.searchsorted(self._code_points, points)
        known = self._code_points[np.minimum(ids, max(self.unknown - 1, 0))] == points if self.characters else False
        return np.where(known, ids, self.unknown).astype(self.dtype)

    def decode(self, ids: Integer[np.ndarray, " T"]) -> str:
        """The text of these ids; U+FFFD for the unknown character."""
        points = np.append(self._code_points, _code_points(UNKNOWN))[ids]
        return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def unknown_in(self, text: str) -> dict[str, int]:
        """How often each character that is not known occurs in `text`, most frequent first; empty when all are known.

        >>> CharVocabulary.of("ehllo wrd").unknown_in("héllo wörld, ö")
        {'ö': 2, 'é': 1, ',': 1}
        """
        return {c: count for c, count in Counter(text).most_common() if c not in self.characters}

    @cached_property
    def _code_points(self) -> UInt32[np.ndarray, " C"]:
        return _code_points(self.characters)


def _code_points(text: str) -> UInt32[np.ndarray, " T"]:
    # A command line may hold lone surrogates: they are unknown characters, not an error.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def dtype_for(largest: int) -> np.dtype[np.integer]:
    """The smallest of uint8, int16 and int32 that holds 0 to `largest` (all three exist in torch)."""
    return next(d for d in map(np.dtype, ("uint8", "int16", "int32")) if largest <= np.iinfo(d).max)
