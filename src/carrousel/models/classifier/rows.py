"""Rows to be classified as arrays, in memory or mapped from files, and batches of them as tensors."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, Integer, Shaped
from numpy.typing import DTypeLike
from torch import Tensor

from carrousel.data.kept import Kept, Writer, kept
from carrousel.data.ragged import Ragged
from carrousel.train.to_device import to_device

AT_ONCE = 4_096  # rows, and
VALUES_AT_ONCE = 1 << 18  # values, where all would be too many


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
        parts = tuple((to_device(x, device), to_device(lengths, device)) for x, lengths in self.parts)
        numbers, targets, rows = (to_device(x, device) for x in (self.numbers, self.targets, self.rows))
        return Batch(parts, numbers, targets, rows)

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
        chosen: which rows of these arrays are meant, in order; None for all.
        first: the number of the first row in the whole data.
    """

    parts: tuple[Ragged, ...]
    targets: Shaped[np.ndarray, "N *C"]
    places: Sequence[str]
    numbers: Int64[np.ndarray, "N K"]
    chosen: Int64[np.ndarray, " M"] | None = None
    first: int = 0

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.targets) if self.chosen is None else len(self.chosen)

    @property
    def lengths(self) -> Int64[np.ndarray, " M"]:
        """Steps of each row, all its sequences together."""
        lengths = sum(part.lengths for part in self.parts)
        assert isinstance(lengths, np.ndarray)
        return lengths if self.chosen is None else lengths[self.chosen]

    @property
    def is_multi_label(self) -> bool:
        """Whether several labels can be right."""
        return self.targets.ndim == 2

    def some(self, rows: Int64[np.ndarray, " M"]) -> "Rows":
        """These rows, a view."""
        assert self.chosen is None
        return Rows(self.parts, self.targets, self.places, self.numbers, rows)

    def place(self, row: int) -> str:
        """What names a row in the user's data."""
        return self.places[row if self.chosen is None else int(self.chosen[row])]

    def batch(self, rows: Integer[np.ndarray, " B"]) -> Batch:
        """These rows as tensors."""
        within = np.asarray(rows) if self.chosen is None else self.chosen[rows]
        parts: list[tuple[Tensor, Tensor]] = []
        for part in self.parts:
            values, lengths = part.padded(within)
            wide = values.astype(np.int64) if values.dtype.kind in "iu" else values
            parts.append((torch.from_numpy(wide), torch.from_numpy(lengths)))
        targets = torch.from_numpy(self.targets[within].astype(np.int64))
        numbers = torch.from_numpy(self.numbers[within])
        return Batch(tuple(parts), numbers, targets, torch.from_numpy(np.asarray(rows) + self.first))

    def pieces(self) -> Iterator["Rows"]:
        """The rows in order, as many at a time as have about 260,000 values, each time in memory."""
        ends, begin = np.cumsum(self.lengths), 0
        at_once = VALUES_AT_ONCE // max(1, int(np.prod(self.parts[0].values.shape[1:])))
        while begin < len(self):
            steps = (ends[begin - 1] if begin else 0) + at_once
            end = min(max(int(np.searchsorted(ends, steps, side="right")), begin + 1), begin + AT_ONCE)
            rows = np.arange(begin, end) if self.chosen is None else self.chosen[begin:end]
            parts = tuple(Ragged.of((part[k] for k in rows), part.values.dtype) for part in self.parts)
            places = [self.places[int(k)] for k in rows]
            yield Rows(parts, self.targets[rows], places, self.numbers[rows], first=self.first + begin)
            begin = end


class Encoded(NamedTuple):
    """One row as numbers."""

    parts: tuple[Integer[np.ndarray, " T"], ...]
    target: int | list[int]  # number of the class; of all right ones where several can be right
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The form of encoded rows.

    Attributes:
        dtypes: of the parts.
        num_labels: where several can be right, how many there are; 0 where one is right.
        num_numbers: numbers that belong to a row.
    """

    dtypes: tuple[DTypeLike, ...]
    num_labels: int = 0
    num_numbers: int = 0

    def target(self, encoded: Encoded) -> Shaped[np.ndarray, "1 *C"]:
        """What is right for a row."""
        if not self.num_labels:
            return np.array([encoded.target], np.int64)
        row = np.zeros((1, self.num_labels), np.uint8)
        row[0, encoded.target] = 1
        return row

    def kept(
        self,
        rows: Iterable[Encoded],
        places: Sequence[str],
        folder: Path | None = None,
        about: Any = None,
        where: str = "kept",
        size: int = 0,
    ) -> tuple[Rows, Kept]:
        """All rows, and where they are kept (`data/kept.py`).

        Args:
            folder: to keep them in, if the user named one.
            about: all that they depend on, by which the folder is known; what JSON can hold.
            size: bytes of the file that they are from.

        Raises:
            DataError: the folder cannot be written.
        """

        def make(writer: Writer) -> dict[str, Any]:
            names = [f"part{k}" for k in range(len(self.dtypes))]
            features = (self.num_labels,) if self.num_labels else ()
            with ExitStack() as open_:
                parts = [open_.enter_context(writer.array(n, d)) for n, d in zip(names, self.dtypes, strict=True)]
                target_type = np.uint8 if self.num_labels else np.int64
                targets = open_.enter_context(writer.array("targets", target_type, features))
                numbers = open_.enter_context(writer.array("numbers", np.int64))
                for row in rows:
                    for part, ids in zip(parts, row.parts, strict=True):
                        part.append(ids)
                    targets.append(self.target(row))
                    numbers.append(np.array(row.numbers, np.int64))
            return {}

        found = kept(folder, [], {"rows": 1, "of": about}, make, where, size=size)
        parts = tuple(found[f"part{k}"] for k in range(len(self.dtypes)))
        numbers = found["numbers"].values.reshape(len(places), self.num_numbers)
        return Rows(parts, found["targets"].values, places, numbers), found


def fingerprint_of(*parts: Rows) -> str:
    """A digest of everything in these rows, wherever they lie."""
    digest = hashlib.sha256()
    for rows in parts:
        chosen = np.arange(len(rows)) if rows.chosen is None else rows.chosen
        for part in rows.parts:
            for k in chosen:
                digest.update(np.ascontiguousarray(part[k]).data)
            digest.update(np.concatenate([[0], np.cumsum(part.lengths[chosen])]).data)
        for array in (rows.targets, rows.numbers):
            for begin in range(0, len(chosen), AT_ONCE):
                digest.update(array[chosen[begin : begin + AT_ONCE]].astype(np.int64).data)
    return digest.hexdigest()
