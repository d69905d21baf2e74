"""Sequences in an .npz file, read one at a time, so that it may be larger than memory: what it holds is in `arrays.py`.

The array `X` is read from its begin to its end, unpacked where it is packed; `lengths` and `y`, which have a number a sequence, are
held. Only an `X` that stands column by column (Fortran order) must be held, too.
"""

import math
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile, ZipExtFile, ZipFile, is_zipfile

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy.lib import format as npy

from carrousel.data.faults import Faults, LineFault
from carrousel.data.opening import opened
from carrousel.data.readers.sequences import Case
from carrousel.errors import DataError

NAMES = ("X", "lengths", "y")
BROKEN = (ValueError, OSError, EOFError, BadZipFile, zlib.error, NotImplementedError, RuntimeError)
"""What reading raises for a file that is damaged, packed in an unknown way or encrypted."""


def npz_cases(path: Path, faults: Faults) -> Iterator[Case]:
    """The sequences of a file one at a time.

    Raises:
        DataError: the file cannot be used, or a malformed sequence is not skipped.
    """
    with opened(path, faults.where, "a folder of .npy files, or an .npz file", is_text=False):
        pass
    try:
        with _archive(path) as archive, ExitStack() as stack:
            members = {
                name: Member.of(path, stack.enter_context(_file(path, archive, name)))
                for name in NAMES
                if f"{name}.npy" in archive.namelist()
            }
            form = _Form.of(members)
            for k, values in enumerate(form.sequences()):
                if len(values):
                    yield form.case(k, values)
                else:
                    faults.add(path, k + 1, "is empty", "at least one step", unit="sequence")
    except LineFault as fault:
        raise DataError(
            f"{faults.where}: {path} {fault.what}, expected {fault.expected}. Write the file again."
        ) from None


def unreadable(file: Path, error: Exception) -> LineFault:
    """Why NumPy cannot read a file; it takes whatever it does not know for a pickle."""
    with file.open("rb") as content:
        is_pickle = content.read(1) == b"\x80"
    if is_pickle or "Object arrays" in str(error):
        return LineFault(
            "holds pickled Python objects, which are never loaded", "numbers. Save it with np.save(file, numbers)"
        )
    if "pickle" in str(error):
        return LineFault("is no file of NumPy's", "what np.save or np.savez writes")
    return LineFault(f"cannot be read ({error})", "what np.save or np.savez writes")


@dataclass(frozen=True)
class Member:
    """An array of an archive, unread.

    Attributes:
        path: of the archive.
        file: its bytes after the header.
        dtype, shape: as the header says.
        is_by_column: whether the first axis changes fastest.
    """

    path: Path
    file: ZipExtFile
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_by_column: bool

    @classmethod
    def of(cls, path: Path, file: ZipExtFile) -> "Member":
        """The array in an open file of the archive.

        Raises:
            LineFault: it cannot be read, or holds Python objects.
        """
        try:
            header = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
            shape, is_by_column, dtype = header(file)
            if dtype.hasobject:
                raise ValueError("Object arrays cannot be loaded")
        except BROKEN as error:
            raise unreadable(path, error) from None
        return cls(path, file, dtype, shape, is_by_column and len(shape) > 1)

    def take(self, shape: tuple[int, ...]) -> Shaped[np.ndarray, "..."]:
        """The next numbers, as many as this shape has.

        Raises:
            LineFault: they cannot be read, or there are fewer.
        """
        size = math.prod(shape) * self.dtype.itemsize
        try:
            content = self.file.read(size)
            if len(content) < size:
                raise EOFError("it ends before its last array does")
        except BROKEN as error:
            raise unreadable(self.path, error) from None
        return np.frombuffer(content, self.dtype).reshape(shape)

    def whole(self) -> Shaped[np.ndarray, "..."]:
        """All of it; errors as `take`."""
        return self.take(self.shape[::-1]).T if self.is_by_column else self.take(self.shape)


@dataclass(frozen=True)
class _Form:
    """What the arrays of an archive say together.

    Attributes:
        x: the steps.
        lengths: of each sequence; None where X has an axis for the sequences.
        y: a class or target of each sequence.
    """

    x: Member
    lengths: Int64[np.ndarray, " N"] | None
    y: Shaped[np.ndarray, " N"] | None

    @classmethod
    def of(cls, members: dict[str, Member]) -> "_Form":
        """Of these arrays.

        Raises:
            LineFault: they do not fit each other.
        """
        if "X" not in members:
            raise LineFault(f"has no X among {', '.join(members) or 'its arrays'}", "X, and perhaps lengths and y")
        x, y = members["X"], members.get("y")
        if x.dtype.kind not in "biuf":
            raise LineFault(f"has X of type {x.dtype}", "numbers")
        lengths = None
        if "lengths" in members:
            lengths = _lengths(members["lengths"], x)
        elif len(x.shape) not in (2, 3):
            raise LineFault(f"has X of shape {x.shape} and no lengths", "(N, T, D) or (N, T)")
        num_sequences = x.shape[0] if lengths is None else len(lengths)
        if y is not None and y.shape != (num_sequences,):
            raise LineFault(f"has y of shape {y.shape}", f"({num_sequences},), one for each sequence")
        if y is not None and y.dtype.kind not in "biufU":
            raise LineFault(f"has y of type {y.dtype}", "numbers or strings")
        return cls(x, lengths, None if y is None else y.whole())

    def sequences(self) -> Iterator[Float[np.ndarray, "T D"]]:
        """The sequences, each read when its turn comes."""
        x, lengths = self.x, self.lengths
        whole = x.whole() if x.is_by_column else None
        begin = 0
        for length in [1] * x.shape[0] if lengths is None else lengths.tolist():
            found = x.take((length, *x.shape[1:])) if whole is None else whole[begin : begin + length]
            begin += length
            values = found[0] if lengths is None else found
            values = values if values.dtype.kind == "f" and values.dtype.itemsize >= 4 else values.astype(np.float64)
            yield values[:, None] if values.ndim == 1 else values

    def case(self, k: int, values: Float[np.ndarray, "T D"]) -> Case:
        """Sequence k with what is right for it."""
        if self.y is None:
            return Case(values, None, None, str(k + 1))
        if self.y.dtype.kind == "f":
            return Case(values, None, float(self.y[k]), str(k + 1))
        return Case(values, str(self.y[k]), None, str(k + 1))


def _lengths(member: Member, x: Member) -> Int64[np.ndarray, " N"]:
    steps = x.shape[0] if x.shape else 0
    is_whole = member.dtype.kind in "iu" and len(member.shape) == 1
    lengths = member.whole()
    if not is_whole or lengths.min(initial=0) < 0 or lengths.sum() != steps:
        raise LineFault(
            f"has lengths of shape {lengths.shape} with sum {lengths.sum()}",
            f"(N,) whole numbers with sum {steps}, the steps in X",
        )
    if len(x.shape) not in (1, 2):
        raise LineFault(f"has X of shape {x.shape} beside lengths", "(sum of lengths, D) or (sum of lengths,)")
    return lengths.astype(np.int64)


def _file(path: Path, archive: ZipFile, name: str) -> ZipExtFile:
    try:
        return cast(ZipExtFile, archive.open(f"{name}.npy"))
    except BROKEN as error:
        raise unreadable(path, error) from None


def _archive(path: Path) -> ZipFile:
    """The file as an archive.

    Raises:
        LineFault: it is none.
    """
    try:
        if is_zipfile(path):
            return ZipFile(path)
        np.load(path, mmap_mode="r", allow_pickle=False)
    except BROKEN as error:
        raise unreadable(path, error) from None
    raise LineFault("is one array", "an .npz file with X, and perhaps lengths and y")
