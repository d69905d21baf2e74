"""Rows to be classified as arrays, and batches of them as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, Integer, Shaped
from torch import Tensor

from carrousel.data.ragged import Ragged


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows side by side.

    Attributes:
        parts: the sequences of a row, one ragged batch each: values (T, B, ...) and lengths (B,).
        numbers: (B, K), whole numbers that belong to a row.
        targets: (B,) numbers of classes, or (B, C) ones and zeros where several labels can be right.
        rows: (B,) the number of each row in the whole data.
    """

    parts: tuple[tuple[Tensor, Tensor], ...]
    numbers: Tensor
    targets: Tensor
    rows: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        parts = tuple((x.to(device), lengths.to(device)) for x, lengths in self.parts)
        return Batch(parts, self.numbers.to(device), self.targets.to(device), self.rows.to(device))

    def repeated(self, times: int) -> "Batch":
        """Each row several times, with numbers of their own: those of row k are k·times and those after it."""
        parts = tuple((x.repeat_interleave(times, 1), lengths.repeat_interleave(times)) for x, lengths in self.parts)
        rows = (self.rows[:, None] * times + torch.arange(times, device=self.rows.device)).flatten()
        numbers, targets = (x.repeat_interleave(times, 0) for x in (self.numbers, self.targets))
        return Batch(parts, numbers, targets, rows)


@dataclass(frozen=True, eq=False)
class Rows:
    """Everything a network reads and should say.

    Attributes:
        parts: the sequences of each row, the same number of them in every row.
        targets: numbers of classes, or ones and zeros for each class where several labels can be right.
        places: what names each row in the user's data, such as "reviews.csv, line 7".
        numbers: whole numbers that belong to a row, such as that of a lemma.
    """

    parts: tuple[Ragged, ...]
    targets: Shaped[np.ndarray, "N *C"]
    places: Sequence[str]
    numbers: Int64[np.ndarray, "N K"]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.targets)

    @property
    def lengths(self) -> Int64[np.ndarray, " N"]:
        """Steps of each row, all its sequences together."""
        return np.stack([part.lengths for part in self.parts]).sum(0)

    @property
    def is_multi_label(self) -> bool:
        """Whether several labels can be right."""
        return self.targets.ndim == 2

    def batch(self, rows: Integer[np.ndarray, " B"]) -> Batch:
        """These rows as tensors."""
        parts: list[tuple[Tensor, Tensor]] = []
        for part in self.parts:
            values, lengths = part.padded(rows)
            wide = values.astype(np.int64) if values.dtype.kind in "iu" else values
            parts.append((torch.from_numpy(wide), torch.from_numpy(lengths)))
        targets = torch.from_numpy(self.targets[rows])
        return Batch(tuple(parts), torch.from_numpy(self.numbers[rows]), targets, torch.from_numpy(np.asarray(rows)))
