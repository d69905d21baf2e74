"""How long a run waits for its batches."""

import time
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from carrousel.train.loop import Batches

Batch = TypeVar("Batch")


class TimedBatches(Generic[Batch]):
    """Batches that note the seconds spent on making them.

    Attributes:
        seconds: in `next`, so far.
    """

    def __init__(self, batches: Batches[Batch]) -> None:
        self.batches, self.seconds = batches, 0.0

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.batches)

    def next(self) -> Batch:
        """The next batch."""
        began = time.perf_counter()
        batch = self.batches.next()
        self.seconds += time.perf_counter() - began
        return batch

    def shard(self, rank: int, world: int) -> "TimedBatches[Batch]":
        """This process's part of every batch."""
        return TimedBatches(self.batches.shard(rank, world))

    def state_dict(self) -> dict[str, Any]:
        """The position of the batches."""
        return self.batches.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to a position."""
        self.batches.load_state_dict(state)
