"""How sequences of different lengths lie in memory, and the two halves of their states."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Rows:
    """How sequences lie in memory: all valid steps, time by time, longest sequence first.

    Args:
        steps: T.
        batch: B.
        offsets: T + 1 row numbers; step t owns the rows from offsets[t] to offsets[t + 1].
        lengths: valid steps of each sequence in this order; None when all are T.
        order: sequence at each place; None when unchanged.
        index: row of the padded (T·B) layout for each packed row; None when they are the same.
        resets: one byte a packed row; None without resets.
    """

    steps: int
    batch: int
    offsets: Any
    lengths: Tensor | None
    order: Tensor | None
    index: Tensor | None
    resets: Tensor | None

    @property
    def total(self) -> int:
        return int(self.offsets[-1])

    def shares(self, count: int) -> list[tuple[int, int]]:
        """The sequences cut into parts of about the same number of steps."""
        if count == 1:
            return [(0, self.batch)]
        if self.lengths is None:
            bounds = [round(k * self.batch / count) for k in range(count + 1)]
        else:
            work = self.lengths.cumsum(0).double()
            parts = torch.linspace(0, 1, count + 1, dtype=torch.float64)[1:-1] * work[-1]
            inner = cast("list[int]", torch.searchsorted(work, parts).tolist())
            bounds = [0, *(place + 1 for place in inner), self.batch]
        return [(a, b) for a, b in pairwise(bounds) if a < b]


def lay_out(steps: int, batch: int, lengths: Tensor | None, reset: Tensor | None) -> Rows:
    """The rows of a batch, with its lengths and resets."""
    resets = None if reset is None else reset.reshape(steps * batch).to(torch.uint8)
    if lengths is None:
        return Rows(steps, batch, _even_offsets(steps, batch), None, None, None, resets)
    sorted_lengths, order = torch.sort(lengths.cpu(), descending=True, stable=True)
    alive = torch.arange(steps)[:, None] < sorted_lengths
    offsets = np.concatenate([[0], alive.sum(1).cumsum(0).numpy()]).astype(np.int64)
    index = (torch.arange(steps)[:, None] * batch + order)[alive]
    return Rows(
        steps, batch, offsets, sorted_lengths, order, index, None if resets is None else resets[index].contiguous()
    )


@lru_cache(maxsize=64)
def _even_offsets(steps: int, batch: int) -> Any:
    offsets = np.arange(steps + 1, dtype=np.int64) * batch
    offsets.flags.writeable = False
    return offsets


def carry(start: Tensor, rows: Rows, *, is_backward: bool) -> Tensor:
    """Two halves of state rows; the one that the first step of each sequence reads holds `start`."""
    carry = torch.empty(2, rows.batch, start.shape[1], dtype=start.dtype)
    if not is_backward or rows.lengths is None:
        carry.select(0, rows.steps % 2 if is_backward else 0).copy_(start)
    else:
        carry[rows.lengths % 2, torch.arange(rows.batch)] = start
    return carry


def last_rows(carry: Tensor, rows: Rows, *, is_backward: bool) -> Tensor:
    """The state rows after the last step of each sequence."""
    if is_backward:
        return carry[0]
    if rows.lengths is None:
        return carry[rows.steps % 2]
    return carry[rows.lengths % 2, torch.arange(rows.batch)]
