"""Strings as numbers: words, tags, labels."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Integer

from carrousel.data.vocabulary import dtype_for
from carrousel.errors import DataError, nearest

UNKNOWN = "<unk>"


@dataclass(frozen=True)
class Tokens:
    """Known strings, numbered from 0: special ones first, then the most frequent.

    With `<unk>` among them, every other string gets its number (an open vocabulary, as of words); without it, other
    strings are refused (a closed one, as of labels).

    Attributes:
        strings: each once; its place is its number.

    Raises:
        DataError: `strings` repeats itself.

    >>> words = Tokens.of("the cat and the dog".split())
    >>> words.strings
    ('<unk>', 'the', 'and', 'cat', 'dog')
    >>> words.encode(["the", "bird"])
    array([1, 0], dtype=uint8)
    """

    strings: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self._ids) != len(self.strings):
            twice = next(string for string, count in Counter(self.strings).items() if count > 1)
            raise DataError(f"Tokens: strings has {twice!r} more than once, expected each string once. Use Tokens.of.")

    @classmethod
    def of(
        cls,
        strings: Iterable[str],
        min_count: int = 1,
        max_size: int | None = None,
        specials: Sequence[str] = (UNKNOWN,),
    ) -> "Tokens":
        """The strings that occur, most frequent first; those as frequent as each other in code point order.

        Args:
            min_count: leave out what occurs less often.
            max_size: most numbers to give, special strings included; None for as many as it takes.
            specials: numbered first whether they occur or not; `()` for a closed vocabulary.
        """
        return cls.of_counts(Counter(strings), min_count, max_size, specials)

    @classmethod
    def of_counts(
        cls,
        counts: Mapping[str, int],
        min_count: int = 1,
        max_size: int | None = None,
        specials: Sequence[str] = (UNKNOWN,),
    ) -> "Tokens":
        """The same from how often each string occurs."""
        known = set(specials)
        kept = (s for s, count in counts.items() if count >= min_count and s not in known)
        return cls((*specials, *sorted(kept, key=lambda s: (-counts[s], s)))[:max_size])

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Tokens":
        """The vocabulary that `to_dict` described."""
        return cls(tuple(saved["strings"]))

    def to_dict(self) -> dict[str, list[str]]:
        """A description that JSON can hold."""
        return {"strings": list(self.strings)}

    def __len__(self) -> int:
        """Number of strings, special ones included: of classes."""
        return len(self.strings)

    def __contains__(self, string: object) -> bool:
        """Whether a string has a number of its own."""
        return string in self._ids

    @property
    def unknown(self) -> int | None:
        """The number of every string that is not known, or None where such are refused."""
        return self._ids.get(UNKNOWN)

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """The smallest of uint8, int16 and int32 that holds every number (all three exist in torch)."""
        return dtype_for(len(self) - 1)

    def id(self, string: str, where: str = "Tokens") -> int:
        """The number of a string.

        Raises:
            DataError: it is not known, and there is no `<unk>`.
        """
        found = self._ids.get(string, self.unknown)
        if found is None:
            raise DataError(
                f"{where}: {string!r} is not known, expected one of {self._few()}.{nearest(string, self.strings)} "
                "Correct it, or train on data that has it."
            )
        return found

    def encode(self, strings: Iterable[str], where: str = "Tokens") -> Integer[np.ndarray, " T"]:
        """The number of each string.

        Raises:
            DataError: one is not known, and there is no `<unk>`.
        """
        known, unknown = self._ids, self.unknown
        if unknown is None:
            return np.array([self.id(string, where) for string in strings], self.dtype)
        return np.array([known.get(string, unknown) for string in strings], self.dtype)

    def decode(self, ids: Iterable[int] | Integer[np.ndarray, " T"]) -> list[str]:
        """The strings of these numbers."""
        return [self.strings[k] for k in ids]

    def coverage(self, strings: Iterable[str]) -> float:
        """The part of these strings that have a number of their own, 0 to 1; 1 where there are none."""
        counts = Counter(strings)
        known = sum(count for string, count in counts.items() if string in self._ids and string != UNKNOWN)
        return known / counts.total() if counts else 1.0

    def unknown_in(self, strings: Iterable[str]) -> dict[str, int]:
        """How often each string that is not known occurs, most frequent first; empty when all are known."""
        return {string: count for string, count in Counter(strings).most_common() if string not in self._ids}

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {string: k for k, string in enumerate(self.strings)}

    def _few(self) -> str:
        shown = ", ".join(map(repr, self.strings[:10]))
        return shown if len(self.strings) <= 10 else f"{shown} and {len(self.strings) - 10:,} more"
