"""A long sequence cut into parallel streams, and these into windows, for truncated back-propagation through time."""

from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer

from carrousel.data.batches import check_rank
from carrousel.errors import ConfigError


class Window(NamedTuple):
    """What one update sees: `y` is `x` one step later. Both are views of the sequence, not copies."""

    x: Integer[np.ndarray, "T B"]  # the symbols read
    y: Integer[np.ndarray, "T B"]  # the symbols to predict
    is_start: bool  # an epoch starts here: begin from a fresh state


class Streams:
    """Parallel streams over one sequence: stream b reads the b-th of `batch_size` equal stretches of it.

    In each stream a window begins where the one before it ended, so the state carries over; after a pass over the
    sequence (an epoch) the next pass starts afresh. Windows are numbered through all epochs, so one integer is the
    whole position: a run that goes on at `window(k)` sees what one that never stopped sees there.

    With a seed, every epoch after the first begins at an offset of 0 to `window` - 1 symbols, drawn from (seed, epoch),
    so that gradients are cut at other places. Without one, all epochs are alike.

    Left out of an epoch: the symbols past the last equal stretch (fewer than `batch_size`), with a seed `window` - 1
    more, and, unless `keep_tail`, the last steps of each stream that do not fill a window.

    Args:
        ids: the sequence, in memory or mapped from a file (`Ragged.open(path).values`), of which only windows are read.
        batch_size: number of streams.
        window: steps in a window.
        seed: draws the offsets of later epochs; None for no offsets.
        keep_tail: end each epoch with a shorter window where steps are left over (for evaluation).

    Raises:
        ConfigError: `batch_size` or `window` is below 1, or the sequence is too short for one window.

    >>> streams = Streams(np.arange(9), batch_size=2, window=2)
    >>> len(streams)
    2
    >>> x, y, is_start = streams.window(1)
    >>> print(x, y, is_start)
    [[2 6]
     [3 7]] [[3 7]
     [4 8]] False
    """

    def __init__(
        self,
        ids: Integer[np.ndarray, " num_symbols"],
        batch_size: int,
        window: int,
        *,
        seed: int | None = None,
        keep_tail: bool = False,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("window", window)):
            if value < 1:
                raise ConfigError(f"Streams: {name} is {value}, expected at least 1. Give a positive {name}.")
        self.ids, self.batch_size, self.window_size, self.seed = ids, batch_size, window, seed
        self.mine = slice(None)  # the streams that this process reads
        beyond_streams = 1 if seed is None else window  # the last target, and the largest offset
        self.stream_size = (len(ids) - beyond_streams) // batch_size
        self.num_windows = -(-self.stream_size // window) if keep_tail else self.stream_size // window
        if self.num_windows < 1:
            needed = batch_size * (1 if keep_tail else window) + beyond_streams
            raise ConfigError(
                f"Streams: ids has {len(ids):,} symbols, expected at least {needed:,} for batch_size {batch_size} "
                f"and window {window}. Give a longer text, or lower batch_size or window."
            )

    def __len__(self) -> int:
        """Windows in an epoch, the same in each."""
        return self.num_windows

    def __iter__(self) -> Iterator[Window]:
        """The windows of the first epoch."""
        return map(self.window, range(len(self)))

    def window(self, k: int) -> Window:
        """The window at position k, counted from 0 through all epochs."""
        epoch, position = divmod(k, len(self))
        begin = position * self.window_size
        steps = slice(begin, begin + self.window_size)
        offset = self.offset(epoch)
        return Window(self._streams(offset)[steps], self._streams(offset + 1)[steps], position == 0)

    def shard(self, rank: int, world: int) -> "Streams":
        """One process's part of the same windows: streams rank, rank + world, ... of them.

        Raises:
            ConfigError: `rank` is outside 0 .. world - 1, or there are fewer streams than processes.
        """
        check_rank("Streams.shard", rank, world)
        mine = range(self.batch_size)[self.mine][rank::world]
        if not mine:
            raise ConfigError(
                f"Streams.shard: batch_size is {self.batch_size}, expected at least {world}, one stream for each process. "
                "Raise batch_size, or start fewer processes."
            )
        part = copy(self)
        part.mine = slice(mine.start, mine.stop, mine.step)
        return part

    def offset(self, epoch: int) -> int:
        """The symbol at which this epoch's first stream begins."""
        if self.seed is None or epoch == 0:
            return 0
        return int(np.random.default_rng((self.seed, epoch)).integers(self.window_size))

    def _streams(self, begin: int) -> Integer[np.ndarray, "num_steps B"]:
        stretch = self.ids[begin : begin + self.batch_size * self.stream_size]
        return stretch.reshape(self.batch_size, self.stream_size)[self.mine].T
