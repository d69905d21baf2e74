"""Sequences of different lengths as two arrays, in memory or mapped from files, so that data larger than memory can be read.

    values   (num_steps, *features)     all sequences, one after the other
    offsets  (num_sequences + 1,)       sequence k is values[offsets[k] : offsets[k + 1]]

On disk they are NAME.values.npy and NAME.offsets.npy, in NumPy's own format without pickle.
"""

import math
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, SupportsIndex

import numpy as np
from jaxtyping import Int64, Integer, Shaped
from numpy.lib import format as npy
from numpy.typing import DTypeLike

from carrousel.errors import DataError
from carrousel.files import sync_folder

SHORT = 256
"""numbers in a sequence up to which sequences are gathered element by element at once, which is quicker than one by one"""
PARTS = ("values", "offsets")


@dataclass(frozen=True, eq=False)
class Ragged:
    """Sequences of different lengths, one after the other in one array.

    Attributes:
        values: the steps of all sequences; the axes after the first are those of one step.
        offsets: where each sequence begins, and at last where the last one ends; from 0, never falling.

    Raises:
        DataError: `offsets` does not describe `values`.

    >>> names = Ragged.of([np.array([1, 2, 3]), np.array([4])])
    >>> len(names), names[1], names.lengths
    (2, array([4]), array([3, 1]))
    """

    values: Shaped[np.ndarray, "num_steps *features"]
    offsets: Int64[np.ndarray, " num_offsets"]

    def __post_init__(self) -> None:
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.values):
            ends = f"{self.offsets[0]:,} .. {self.offsets[-1]:,}" if len(self.offsets) else "nothing"
            raise DataError(
                f"Ragged: offsets has {ends}, expected 0 .. {len(self.values):,}, the number of steps in values. "
                "Make both from the same data."
            )

    @classmethod
    def of(cls, sequences: Iterable[Shaped[np.ndarray, "..."]], dtype: DTypeLike | None = None) -> "Ragged":
        """These sequences, copied one after the other.

        Args:
            sequences: arrays that agree in all axes but the first.
            dtype: of the values; None for one that holds all of them, and int64 where there is no sequence.

        Raises:
            DataError: a sequence has other axes than the first one.
        """
        arrays = [np.asarray(sequence) for sequence in sequences]
        for k, array in enumerate(arrays):
            check_features("Ragged.of", k, array.shape, arrays[0].shape[1:])
        offsets = np.zeros(len(arrays) + 1, np.int64)
        np.cumsum([len(array) for array in arrays], out=offsets[1:])
        values = np.concatenate(arrays) if arrays else np.zeros(0, np.int64)
        return cls(values if dtype is None else values.astype(dtype, copy=False), offsets)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.offsets) - 1

    def __getitem__(self, k: SupportsIndex) -> Shaped[np.ndarray, "T_k *features"]:
        """Sequence k, a view; a negative k counts from the end.

        Raises:
            IndexError: there is no sequence k.
        """
        index = operator.index(k)
        if not -len(self) <= index < len(self):
            raise IndexError(f"Ragged: there is no sequence {index} among {len(self):,}")
        index %= len(self)
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[Shaped[np.ndarray, "..."]]:
        """The sequences, as views."""
        return (self[k] for k in range(len(self)))

    @property
    def lengths(self) -> Int64[np.ndarray, " num_sequences"]:
        """Number of steps in each sequence."""
        return np.diff(self.offsets)

    def padded(
        self, rows: Sequence[int] | Integer[np.ndarray, " B"], value: float = 0
    ) -> tuple[Shaped[np.ndarray, "T B *features"], Int64[np.ndarray, " B"]]:
        """Some of the sequences side by side, and their lengths; what lies past the end of one is `value`.

        T is the longest of them; no rows give T = B = 0.
        """
        lengths = (self.offsets[1:][rows] - self.offsets[:-1][rows]) if len(rows) else np.zeros(0, np.int64)
        longest, features = int(lengths.max(initial=0)), self.values.shape[1:]
        if 0 < longest * math.prod(features) <= SHORT:
            steps = np.arange(longest)[:, None]
            is_there = steps < lengths
            batch = self.values[np.where(is_there, self.offsets[:-1][rows] + steps, 0)]
            batch[~is_there] = value
            return batch, lengths
        batch = np.full((longest, len(rows), *features), value, self.values.dtype)
        for b, k in enumerate(rows):
            batch[: lengths[b], b] = self[k]
        return batch, lengths

    def save(self, path: Path) -> None:
        """Write the files `path`.values.npy and `path`.offsets.npy; a reader sees the old ones or the new.

        Raises:
            DataError: the disk is full or the folder cannot be written.
        """
        with RaggedWriter(path, self.values.dtype, self.values.shape[1:]) as writer:
            writer.extend(self)

    @classmethod
    def open(cls, path: Path) -> "Ragged":
        """What `save` or a `RaggedWriter` wrote, mapped from its files and read-only: nothing is read until it is used.

        Raises:
            DataError: a file is missing or is not what was written.
        """
        values, offsets = (_open_array(_part(path, part)) for part in PARTS)
        if offsets.ndim != 1 or offsets.dtype != np.int64 or not values.ndim:
            raise DataError(
                f"Ragged.open: {path} has offsets of shape {offsets.shape} and type {offsets.dtype}, expected "
                "(num_sequences + 1,) and int64. Make the files again."
            )
        try:
            return cls(values, offsets)
        except DataError:
            raise DataError(
                f"Ragged.open: {path}.values.npy and {path}.offsets.npy do not fit each other, expected files written "
                "together. Make them again."
            ) from None


class RaggedWriter:
    """Writes a `Ragged` sequence by sequence, in bounded memory.

        with RaggedWriter(path, np.int32) as writer:
            for sequence in sequences:
                writer.append(sequence)
        Ragged.open(path)

    The files take their names when the block ends; when it ends with an error, what was there before is unharmed.

    Args:
        path: of the files without `.values.npy` and `.offsets.npy`; its folder is made where it is missing.
        dtype: of the values.
        feature_shape: axes of one step.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, dtype: DTypeLike, feature_shape: Sequence[int] = ()) -> None:
        self.path, self.dtype, self.feature_shape = Path(path), np.dtype(dtype), tuple(feature_shape)
        if self.dtype.hasobject:
            raise DataError(f"RaggedWriter: dtype is {self.dtype}, expected numbers. Python objects are never written.")
        self.num_sequences = self.num_steps = 0
        self._files: list[BinaryIO] = []

    def __enter__(self) -> "RaggedWriter":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._files = [_partial(_part(self.path, part)).open("wb") for part in PARTS]
            self._write_headers()
            self._files[1].write(np.int64(0).tobytes())
        except OSError as error:
            raise self._failed(error) from None
        return self

    def append(self, sequence: Shaped[np.ndarray, "..."]) -> None:
        """Write one sequence (T, *feature_shape), T from 0, cast to the writer's dtype.

        Raises:
            DataError: its axes are others than the writer's, or the disk is full.
        """
        check_features("RaggedWriter", self.num_sequences, sequence.shape, self.feature_shape)
        self.num_sequences += 1
        self.num_steps += len(sequence)
        try:
            self._files[0].write(np.ascontiguousarray(sequence, self.dtype).data)
            self._files[1].write(np.int64(self.num_steps).tobytes())
        except OSError as error:
            raise self._failed(error) from None

    def extend(self, sequences: Iterable[Shaped[np.ndarray, "..."]]) -> None:
        """Write several sequences."""
        for sequence in sequences:
            self.append(sequence)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._discard()
            return
        try:
            self._write_headers()  # a header has room for any number of steps, so that the new one fits over the old
            for file in self._files:
                file.flush()
                os.fsync(file.fileno())
                file.close()
            for part in PARTS:
                os.replace(_partial(_part(self.path, part)), _part(self.path, part))
            sync_folder(self.path.parent)
        except OSError as failure:
            raise self._failed(failure) from None

    def _write_headers(self) -> None:
        shapes = ((self.num_steps, *self.feature_shape), (self.num_sequences + 1,))
        for file, shape, dtype in zip(self._files, shapes, (self.dtype, np.dtype(np.int64)), strict=True):
            file.seek(0)
            npy.write_array_header_1_0(
                file, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            )

    def _failed(self, error: OSError) -> DataError:
        self._discard()
        return DataError(
            f"{self.path} cannot be written ({error.strerror}), expected room and permission. "
            "What was there before is unharmed."
        )

    def _discard(self) -> None:
        for part, file in zip(PARTS, self._files, strict=False):
            try:
                file.close()
            finally:
                _partial(_part(self.path, part)).unlink(missing_ok=True)


def check_features(where: str, k: int, shape: tuple[int, ...], features: tuple[int, ...]) -> None:
    """Refuse a sequence of this shape, the k-th, where each step should have these axes.

    Raises:
        DataError: it has others.
    """
    if not shape or shape[1:] != features:
        expected = ", ".join(["T", *map(str, features)]) + ("" if features else ",")
        raise DataError(
            f"{where}: sequence {k} has shape {shape}, expected ({expected}). Give sequences that agree in all axes but "
            "the first."
        )


def _part(path: Path, part: str) -> Path:
    return path.with_name(f"{path.name}.{part}.npy")


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _open_array(path: Path) -> Shaped[np.ndarray, "..."]:
    try:
        # An array without elements cannot be mapped; it is read only to see that it has none.
        with path.open("rb") as file:
            npy.read_magic(file)
            shape = npy.read_array_header_1_0(file)[0]
        return np.load(path, mmap_mode=None if 0 in shape else "r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"Ragged.open: {path} does not exist, expected a file that Ragged.save wrote.") from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"Ragged.open: {path} cannot be read ({error}), expected a file that Ragged.save wrote."
        ) from None
