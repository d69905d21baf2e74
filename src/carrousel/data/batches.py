"""Batches of sequences of like length, in an order drawn from a seed, with one integer for the position."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Int64, Integer, Shaped

from carrousel.errors import ConfigError

Batch = TypeVar("Batch")


class Bucketed:
    """Endless batches of row numbers; rows of like length come together, and each epoch has every row once.

    For each epoch the rows are drawn in a random order and dealt into pools of `buckets` batches; a pool is sorted by
    length and cut into batches, and the batches of all pools come in a random order. Everything is drawn from (seed,
    epoch), so that one integer, the number of batches drawn so far, is the whole state.

    Args:
        lengths: steps of each row.
        batch_size: rows in a batch; the last rows of an epoch can make a smaller one, which comes at any place in it.
        seed: draws the order; None for one order in every epoch: all rows by length, the shortest first.
        buckets: batches sorted together; more of them save more padding and leave less to chance.
        drop_last: leave out the rows that do not fill a batch; others in each epoch, or without a seed the longest.

    Raises:
        ConfigError: `batch_size` or `buckets` is below 1, or there is not one batch.

    >>> batches = Bucketed(np.array([3, 9, 2, 8]), batch_size=2, seed=None)
    >>> len(batches), batches.next(), batches.next()
    (2, array([2, 0]), array([3, 1]))
    """

    def __init__(
        self,
        lengths: Integer[np.ndarray, " num_rows"],
        batch_size: int,
        seed: int | None = 0,
        *,
        buckets: int = 50,
        drop_last: bool = False,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("buckets", buckets)):
            if value < 1:
                raise ConfigError(f"Bucketed: {name} is {value}, expected at least 1. Give a positive {name}.")
        num_used = len(lengths) // batch_size * batch_size if drop_last else len(lengths)
        if not num_used:
            least = batch_size if drop_last else 1
            raise ConfigError(
                f"Bucketed: lengths has {len(lengths):,} rows, expected at least {least:,}. "
                "Give more data" + (", or lower batch_size." if drop_last else ".")
            )
        self.lengths, self.batch_size, self.seed, self.buckets = lengths, batch_size, seed, buckets
        self.drop_last, self.position = drop_last, 0
        self._num_used, self._rank, self._world = num_used, 0, 1
        self._epoch, self._rows, self._starts = -1, np.zeros(0, np.int64), np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Batches in an epoch, the same in each."""
        return -(-self._num_used // self.batch_size)

    def next(self) -> Int64[np.ndarray, " B"]:
        """The row numbers of the next batch, or this process's part of them."""
        epoch, k = divmod(self.position, len(self))
        if epoch != self._epoch:
            self._rows, self._starts = self._draw(epoch)
            self._epoch = epoch
        self.position += 1
        batch = self._rows[self._starts[k] : self._starts[k] + self.batch_size]
        return batch[self._rank :: self._world]

    def state_dict(self) -> dict[str, Any]:
        """The position: the number of batches drawn so far."""
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the position that `state_dict` described."""
        self.position = int(state["position"])

    def shard(self, rank: int, world: int) -> "Bucketed":
        """One process's part of the same batches: rows rank, rank + world, ... of each.

        All processes together see what one process sees. Where a batch has fewer rows than there are processes, some of
        them get none.

        Raises:
            ConfigError: `rank` is outside 0 .. world - 1.
        """
        check_rank("Bucketed.shard", rank, world)
        part = Bucketed(self.lengths, self.batch_size, self.seed, buckets=self.buckets, drop_last=self.drop_last)
        part._rank, part._world = self._rank + self._world * rank, self._world * world
        part.position = self.position
        return part

    @property
    def padding_saved(self) -> float:
        """The part of the padding that is not there, compared with batches in random order: 0 to 1, over an epoch.

        It can be below 0 by chance where lengths are nearly equal, and is 0 where random batches need no padding.
        """
        rng = np.random.default_rng((self.seed or 0, 0))
        order = rng.permutation(len(self.lengths))[: self._num_used]
        steps = self.lengths[order].sum()
        by_chance = self._steps(order, np.arange(0, len(order), self.batch_size)) - steps
        rows, starts = self._draw(0)
        bucketed = self._steps(rows, np.sort(starts)) - self.lengths[rows].sum()
        return float(1 - bucketed / by_chance) if by_chance else 0.0

    def _steps(self, rows: Int64[np.ndarray, " N"], starts: Int64[np.ndarray, " num_batches"]) -> int:
        """Steps of all batches with their padding."""
        sizes = np.diff(np.append(starts, len(rows)))
        return int((np.maximum.reduceat(self.lengths[rows], starts).astype(np.int64) * sizes).sum())

    def _draw(self, epoch: int) -> tuple[Int64[np.ndarray, " N"], Int64[np.ndarray, " num_batches"]]:
        """The rows of an epoch, and where in them each of its batches starts, in the order they come."""
        starts = np.arange(0, self._num_used, self.batch_size, dtype=np.int64)
        if self.seed is None:
            return np.argsort(self.lengths, kind="stable")[: self._num_used], starts
        rng = np.random.default_rng((self.seed, epoch))
        rows = rng.permutation(len(self.lengths))[: self._num_used]
        pool_size = self.batch_size * self.buckets
        pools = np.arange(self._num_used) // pool_size
        rows = rows[np.lexsort((self.lengths[rows], pools))]
        return rows, rng.permutation(starts)


class BatchesOf(Generic[Batch]):
    """Batches of rows of like length, as `make` builds them; None where a process has no row of one.

    Args:
        order: which rows come together, and when.
        make: a batch from its row numbers and its own number, counted from 0 through all epochs.

    >>> batches = BatchesOf(Bucketed(np.array([3, 9, 2, 8]), 2, None), lambda rows, number: (number, rows.tolist()))
    >>> batches.next(), batches.next()
    ((0, [2, 0]), (1, [3, 1]))
    """

    def __init__(self, order: Bucketed, make: Callable[[Int64[np.ndarray, " B"], int], Batch]) -> None:
        self.order, self.make = order, make

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.order)

    def next(self) -> Batch | None:
        """The batch at the position, which then moves on."""
        number, rows = self.order.position, self.order.next()
        return self.make(rows, number) if len(rows) else None

    def state_dict(self) -> dict[str, Any]:
        """The position."""
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the position that `state_dict` described."""
        self.order.load_state_dict(state)

    def shard(self, rank: int, world: int) -> "BatchesOf[Batch]":
        """One process's part of the same batches, as `Bucketed.shard` cuts them."""
        return BatchesOf(self.order.shard(rank, world), self.make)


def check_rank(where: str, rank: int, world: int) -> None:
    """Refuse a process number that does not exist.

    Raises:
        ConfigError: `rank` is outside 0 .. world - 1.
    """
    if not 0 <= rank < world:
        raise ConfigError(
            f"{where}: rank is {rank} of {world} processes, expected 0 to {world - 1}. Give the number of this process."
        )


def pad(
    sequences: Sequence[Shaped[np.ndarray, "..."]], value: float = 0
) -> tuple[Shaped[np.ndarray, "T B *features"], Int64[np.ndarray, " B"]]:
    """Sequences (T_b, *features) side by side, time first, and their lengths; what lies past the end of one is `value`.

    Raises:
        ConfigError: there is no sequence, so that nothing says what one step is; `Ragged.padded` knows.

    >>> print(pad([np.array([1, 2, 3]), np.array([4])])[0])
    [[1 4]
     [2 0]
     [3 0]]
    """
    if not sequences:
        raise ConfigError(
            "pad: sequences is empty, expected at least 1 array. Use Ragged.padded for batches without rows."
        )
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    dtype = np.result_type(*{sequence.dtype for sequence in sequences})
    batch = np.full((lengths.max(), len(sequences), *sequences[0].shape[1:]), value, dtype)
    for b, sequence in enumerate(sequences):
        batch[: len(sequence), b] = sequence
    return batch, lengths
