"""Sequences whose items are made when they are asked for, so that what lies on the disk is never in memory as a whole."""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, SupportsIndex, TypeVar, cast, overload

import numpy as np
from jaxtyping import Int64

from carrousel.data.kept import Appends
from carrousel.data.ragged import Ragged

S = TypeVar("S")
T = TypeVar("T")


class Made(Sequence[T], Generic[S, T]):
    """What a function makes of each item of a sequence.

    >>> Made([1, 2, 3], str)[1], list(Made([1, 2, 3], str)), Made("ab", str.upper)[:1]
    ('2', ['1', '2', '3'], ['A'])
    """

    def __init__(self, items: Sequence[S] | Ragged, make: Callable[[S], T]) -> None:
        self.items, self.make = cast(Sequence[S], items), make

    def __len__(self) -> int:
        """Number of items."""
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        """The items, one at a time."""
        return (self.make(item) for item in self.items)

    @overload
    def __getitem__(self, k: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, k: slice, /) -> list[T]: ...
    def __getitem__(self, k: SupportsIndex | slice, /) -> T | list[T]:
        """Item k, or a list of some."""
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        return self.make(self.items[operator.index(k)])


class Chosen(Sequence[T], Generic[T]):
    """Some items of a sequence, in any order.

    >>> list(Chosen("abcd", np.array([3, 0])))
    ['d', 'a']
    """

    def __init__(self, items: Sequence[T] | Ragged, rows: Int64[np.ndarray, " K"]) -> None:
        self.items, self.rows = cast(Sequence[T], items), rows

    def __len__(self) -> int:
        """Number of items."""
        return len(self.rows)

    @overload
    def __getitem__(self, k: SupportsIndex, /) -> T: ...
    @overload
    def __getitem__(self, k: slice, /) -> list[T]: ...
    def __getitem__(self, k: SupportsIndex | slice, /) -> T | list[T]:
        """Item k, or a list of some."""
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        return self.items[int(self.rows[operator.index(k)])]


class Strings(Sequence[tuple[str, ...]]):
    """Records of several strings each, kept as UTF-8 in a ragged array of bytes.

    Args:
        encoded: the strings of all records, one after the other, as `write_strings` leaves them.
        width: strings in a record.
    """

    def __init__(self, encoded: Ragged, width: int = 1) -> None:
        self.encoded, self.width = encoded, width

    def __len__(self) -> int:
        """Number of records."""
        return len(self.encoded) // self.width

    @overload
    def __getitem__(self, k: SupportsIndex, /) -> tuple[str, ...]: ...
    @overload
    def __getitem__(self, k: slice, /) -> list[tuple[str, ...]]: ...
    def __getitem__(self, k: SupportsIndex | slice, /) -> tuple[str, ...] | list[tuple[str, ...]]:
        """Record k, or a list of some."""
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        k = range(len(self))[k]
        first = k * self.width
        return tuple(
            self.encoded[i].tobytes().decode("utf-8", "surrogatepass") for i in range(first, first + self.width)
        )


def write_strings(writer: Appends, strings: Sequence[str]) -> None:
    """One record, to a writer of bytes (uint8)."""
    for string in strings:
        writer.append(np.frombuffer(string.encode("utf-8", "surrogatepass"), np.uint8))


def in_chunks(items: Iterable[T], size: int = 1 << 16, weigh: Callable[[T], int] = lambda item: 1) -> Iterator[list[T]]:
    """The same items in lists that weigh at least `size`, but for the last.

    >>> list(in_chunks(["a", "bcd", "e", "f"], 2, len))
    [['a', 'bcd'], ['e', 'f']]
    """
    chunk, weight = list[T](), 0
    for item in items:
        chunk.append(item)
        weight += weigh(item)
        if weight >= size:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk
