"""Stretches of one long array, each a view of it: parts of series without a copy, in memory or mapped from a file."""

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Int64, Shaped

from carrousel.data.ragged import Ragged

BLOCK = 1 << 19
"""Numbers looked at together, where all of them would be too many."""


@dataclass(frozen=True, eq=False)
class Stretches:
    """Stretch k is values[begins[k] : ends[k]]; stretches may leave steps out, and come in any order.

    Attributes:
        values: steps; the axes after the first are those of one step.
        begins, ends: of each stretch.

    >>> halves = Stretches.of(Ragged.of([np.arange(4), np.arange(3)])).cut(np.array([2, 1]), np.array([4, 9]))
    >>> list(halves), halves.lengths
    ([array([2, 3]), array([1, 2])], array([2, 2]))
    """

    values: Shaped[np.ndarray, "num_steps *features"]
    begins: Int64[np.ndarray, " K"]
    ends: Int64[np.ndarray, " K"]

    @classmethod
    def of(cls, ragged: Ragged) -> "Stretches":
        """Whole sequences."""
        values, offsets = (
            np.asarray(ragged.values),
            np.asarray(ragged.offsets),
        )  # what is mapped is faster to cut as a plain array
        return cls(values, offsets[:-1], offsets[1:])

    def __len__(self) -> int:
        """Number of stretches."""
        return len(self.begins)

    def __getitem__(self, k: SupportsIndex) -> Shaped[np.ndarray, "T_k *features"]:
        """Stretch k, a view.

        Raises:
            IndexError: there is none.
        """
        k = operator.index(k)
        return self.values[self.begins[k] : self.ends[k]]

    def __iter__(self) -> Iterator[Shaped[np.ndarray, "..."]]:
        """The stretches, as views."""
        return (self[k] for k in range(len(self)))

    @property
    def lengths(self) -> Int64[np.ndarray, " K"]:
        """Steps of each."""
        return self.ends - self.begins

    @property
    def num_steps(self) -> int:
        """Steps of all."""
        return int(self.lengths.sum())

    def some(self, rows: Int64[np.ndarray, " R"]) -> "Stretches":
        """The stretches of these numbers."""
        return Stretches(self.values, self.begins[rows], self.ends[rows])

    def cut(self, begins: Int64[np.ndarray, " K"], ends: Int64[np.ndarray, " K"]) -> "Stretches":
        """A part of each, from one of its steps up to another; ends past a stretch's own count as that."""
        return Stretches(self.values, self.begins + begins, np.minimum(self.begins + ends, self.ends))

    def blocks(self, size: int | None = None) -> Iterator[Shaped[np.ndarray, "T *features"]]:
        """All steps in order, in arrays of `size` steps, the last one shorter; of `BLOCK` numbers where it is left out.

        A block is a view where it lies in one stretch.
        """
        size = max(1, BLOCK // math.prod(self.values.shape[1:])) if size is None else size
        waiting, room = list[Shaped[np.ndarray, "..."]](), size
        for stretch in self:
            at = 0
            while at < len(stretch):
                part = stretch[at : at + room]
                waiting.append(part)
                at, room = at + len(part), room - len(part)
                if not room:
                    yield _joined(waiting)
                    waiting, room = [], size
        if waiting:
            yield _joined(waiting)

    def column(self, k: int) -> "Stretches":
        """One feature of each step (num_steps, features), a view."""
        return Stretches(self.values[:, k], self.begins, self.ends)


def _joined(parts: list[Any]) -> Shaped[np.ndarray, "T *features"]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
