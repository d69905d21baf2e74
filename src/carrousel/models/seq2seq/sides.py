"""The sources or the targets of all pairs, as numbers of their units in one array, in memory or mapped from a file."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import SupportsIndex, cast, overload

import numpy as np
from jaxtyping import Int64, Integer

from carrousel.data.stretches import Stretches


@dataclass
class Numbers:
    """Units as numbers, in the order in which they first come."""

    known: dict[str, int] = field(default_factory=dict[str, int])

    def of(self, units: Iterable[str]) -> Integer[np.ndarray, " T"]:
        """The numbers of these units, each of which has one from here on."""
        known = self.known
        return np.array([known.setdefault(unit, len(known)) for unit in units], np.int32)


@dataclass(frozen=True, eq=False)
class Sides(Sequence[tuple[str, ...]]):
    """One side of each pair: its units, made from their numbers when they are asked for.

    Attributes:
        ids: the numbers of each side's units, views of one array.
        strings: the units, by number.
    """

    ids: Stretches
    strings: tuple[str, ...]

    def __len__(self) -> int:
        """Number of sides."""
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """The units of each."""
        return map(self._units, self.ids)

    @overload
    def __getitem__(self, k: SupportsIndex, /) -> tuple[str, ...]: ...
    @overload
    def __getitem__(self, k: slice, /) -> list[tuple[str, ...]]: ...
    def __getitem__(self, k: SupportsIndex | slice, /) -> tuple[str, ...] | list[tuple[str, ...]]:
        """The units of side k, or of some."""
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        return self._units(self.ids[k])

    @property
    def lengths(self) -> Int64[np.ndarray, " N"]:
        """Units of each."""
        return self.ids.lengths

    def some(self, rows: Int64[np.ndarray, " K"]) -> "Sides":
        """The sides of these numbers, views."""
        return Sides(self.ids.some(rows), self.strings)

    def counts(self) -> Counter[str]:
        """How often each unit occurs."""
        counts = np.zeros(len(self.strings), np.int64)
        for block in self.ids.blocks():
            counts += np.bincount(block, minlength=len(counts))
        return Counter({unit: count for unit, count in zip(self.strings, counts.tolist(), strict=True) if count})

    def groups(self) -> Int64[np.ndarray, " N"]:
        """For each side the number of what it holds: equal sides have one number; numbered from 0 as they first come.

        Sides are told apart by 128 bits of a digest, so that none needs to be held.
        """
        digests = np.zeros(len(self), "S17")  # a byte more than a digest, since zeros at the end are cut off
        for k, ids in enumerate(self.ids):
            digests[k] = blake2b(ids.tobytes(), digest_size=16).digest() + b"\1"
        _, firsts, groups = np.unique(digests, return_index=True, return_inverse=True)
        numbers = np.zeros(len(firsts), np.int64)
        numbers[np.argsort(firsts)] = np.arange(len(firsts))
        return numbers[groups.reshape(-1)]

    def _units(self, ids: Integer[np.ndarray, " T"]) -> tuple[str, ...]:
        strings, numbers = self.strings, cast(list[int], ids.tolist())
        return tuple([strings[number] for number in numbers])
