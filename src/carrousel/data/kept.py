"""Where the numbers of a user's data are while they are used: in memory, or in files that are mapped.

A maker writes arrays without knowing where they go, so that data of either sort is the same, number by number:

    with writer.array("values", np.float32, (3,)) as values:
        values.append(rows)

One rule, `kept`, says where that is, for every kind of model, when it learns, is measured and predicts:

- in the folder that the user names (`data.store`), and they are found there the next time (`store.py`);
- without one, in memory;
- or where the user's files are larger than `LARGE`, in temporary files (`TMPDIR` says where). No folder lists these from the
  moment they are made, so that nothing is left of them when the process ends, however it ends.
"""

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Protocol, runtime_checkable
from zipfile import BadZipFile, ZipFile

import numpy as np
from jaxtyping import Shaped
from numpy.typing import DTypeLike

from carrousel.data.ragged import Ragged, check_features
from carrousel.data.store import Store, stored, told
from carrousel.errors import DataError

LARGE = 1 << 28
"""Bytes of the user's files up to which what comes of them is kept in memory; 256 MB."""


@runtime_checkable
class Appends(Protocol):
    """Takes sequences one after the other."""

    def append(self, sequence: Shaped[np.ndarray, "..."]) -> None:
        """Write one sequence (T, *feature_shape)."""
        ...


@runtime_checkable
class Writer(Protocol):
    """Makes arrays, wherever they go."""

    def array(
        self, name: str, dtype: DTypeLike, feature_shape: Sequence[int] = ()
    ) -> AbstractContextManager[Appends, Any]:
        """A writer of one of the arrays, to be used in a `with` block; several may be open at once."""
        ...


Make = Callable[[Writer], Mapping[str, Any]]
"""Writes the arrays of a dataset, and gives its description, which JSON can hold."""


@dataclass(frozen=True)
class Kept:
    """Arrays, in memory or mapped.

    Attributes:
        description: what their maker says about them.
        arrays: by name; of a store they are opened when asked for.
        told: where they are and whether they were written just now, as a sentence; empty in memory.
    """

    description: Mapping[str, Any]
    arrays: Mapping[str, Ragged] | Store
    told: str = ""

    @property
    def fingerprint(self) -> str:
        """Of the sources and settings of a store; empty of other arrays, which nobody finds again."""
        return self.arrays.fingerprint if isinstance(self.arrays, Store) else ""

    def __getitem__(self, name: str) -> Ragged:
        """One of the arrays.

        Raises:
            DataError: its files are damaged.
        """
        return self.arrays[name]


def kept(
    path: Path | None,
    sources: Sequence[Path],
    settings: Mapping[str, Any],
    make: Make,
    where: str = "kept",
    *,
    size: int | None = None,
) -> Kept:
    """What `make` writes: in the folder `path` where it is given, else in memory or, where it is much, in temporary files.

    Args:
        path: of a store, which is opened where it was made of the same sources and settings.
        sources: the user's files.
        settings: all that what is made depends on beside the sources; what JSON can hold.
        where: what to name in front of an error.
        size: bytes that say whether it is much; those of the sources when left out.

    Raises:
        ConfigError: `path` is a folder with something else in it.
        DataError: a source is missing, or the disk is full or cannot be written.
    """
    if path is not None:
        store = stored(path, sources, settings, make, where)
        return Kept(store.description, store, told(path, [store]))
    return in_temporary_files(make, where) if is_large(size_of(sources) if size is None else size) else in_memory(make)


def is_large(size: int) -> bool:
    """Whether what comes of so many bytes of the user's files is too much for memory."""
    return size > LARGE


def size_of(sources: Iterable[Path]) -> int:
    """Bytes of files and of those in folders, unpacked where they are .npz; those that are not there count nothing, which is for
    their reader to say."""
    return sum(map(_size, sources))


def _size(source: Path) -> int:
    if source.is_dir():
        return size_of(file for file in source.iterdir() if not file.is_dir())
    if source.suffix.lower() == ".npz":
        try:
            with ZipFile(source) as archive:
                return sum(member.file_size for member in archive.infolist())
        except (OSError, BadZipFile):
            return 0
    return source.stat().st_size if source.is_file() else 0


def told_of(folder: Path | None, found: Sequence[Kept]) -> str:
    """Where several things are kept, as a sentence; empty in memory.

    Args:
        folder: that the user named for all of them, if there is one.
    """
    if folder is None:
        return next((one.told for one in found if one.told), "")
    return told(folder, [one.arrays for one in found if isinstance(one.arrays, Store)])


def in_memory(make: Make) -> Kept:
    """What `make` writes, in memory."""
    writer = _MemoryWriter()
    return Kept(make(writer), writer.arrays)


def in_temporary_files(make: Make, where: str = "kept", folder: Path | None = None) -> Kept:
    """What `make` writes, mapped from files that no folder lists and that vanish with the process, or when nobody maps them.

    Args:
        folder: where there is room for them; None for that of temporary files.

    Raises:
        DataError: the folder for temporary files is full or cannot be written.
    """
    writer = _TemporaryWriter(where, folder)
    return Kept(make(writer), writer.arrays, "Kept in temporary files.")


@dataclass(frozen=True)
class _MemoryWriter:
    arrays: dict[str, Ragged] = field(default_factory=dict[str, Ragged])

    @contextmanager
    def array(self, name: str, dtype: DTypeLike, feature_shape: Sequence[int] = ()) -> Generator[Appends]:
        parts = _Parts(np.dtype(dtype), tuple(feature_shape))
        yield parts
        offsets = np.append(0, np.cumsum(np.array(parts.lengths, np.int64)))
        shape = (int(offsets[-1]), *feature_shape)
        values = np.frombuffer(parts.values, parts.dtype).reshape(shape) if parts.values else np.zeros(shape, dtype)
        self.arrays[name] = Ragged(values, offsets)


@dataclass(frozen=True)
class _Parts:
    """Sequences one after the other, in one piece of memory: an array for each would take many times as much."""

    dtype: np.dtype[Any]
    features: tuple[int, ...]
    values: bytearray = field(default_factory=bytearray)
    lengths: list[int] = field(default_factory=list[int])

    def append(self, sequence: Shaped[np.ndarray, "..."]) -> None:
        check_features("kept", len(self.lengths), sequence.shape, self.features)
        self.values.extend(np.ascontiguousarray(sequence, self.dtype).data.cast("B") if sequence.size else b"")
        self.lengths.append(len(sequence))


class _TemporaryWriter:
    """Arrays in files that have no name."""

    def __init__(self, where: str, folder: Path | None) -> None:
        self.arrays = dict[str, Ragged]()
        self._where, self._folder = where, folder

    @contextmanager
    def array(self, name: str, dtype: DTypeLike, feature_shape: Sequence[int] = ()) -> Generator[Appends]:
        with self._file() as values, self._file() as offsets:  # what is mapped stays when they are closed
            parts = _FileParts(np.dtype(dtype), tuple(feature_shape), values, offsets, self._writes)
            yield parts
            self.arrays[name] = parts.mapped()

    def _file(self) -> IO[bytes]:
        with self._writes():
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
            return TemporaryFile(dir=self._folder)

    @contextmanager
    def _writes(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self._where}: temporary files cannot be written ({error.strerror}), expected room and permission. Name another "
                "folder for them in TMPDIR, or a store."
            ) from None


@dataclass
class _FileParts:
    dtype: np.dtype[Any]
    features: tuple[int, ...]
    values: IO[bytes]
    offsets: IO[bytes]
    writes: Callable[[], AbstractContextManager[None]]
    num_sequences: int = 0
    num_steps: int = 0

    def append(self, sequence: Shaped[np.ndarray, "..."]) -> None:
        check_features("kept", self.num_sequences, sequence.shape, self.features)
        try:  # not `writes`: a context manager takes longer than to write a short sequence
            self.values.write(np.ascontiguousarray(sequence, self.dtype).data)
            self.offsets.write(np.int64(self.num_steps).tobytes())
        except OSError as error:
            with self.writes():
                raise error
        self.num_sequences, self.num_steps = self.num_sequences + 1, self.num_steps + len(sequence)

    def mapped(self) -> Ragged:
        """What was written."""
        with self.writes():
            self.offsets.write(np.int64(self.num_steps).tobytes())
            self.values.flush()
            self.offsets.flush()
        return Ragged(
            _mapped(self.values, self.dtype, (self.num_steps, *self.features)),
            _mapped(self.offsets, np.dtype(np.int64), (self.num_sequences + 1,)),
        )


def _mapped(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Shaped[np.ndarray, "..."]:
    return np.memmap(file, dtype, "r", shape=shape) if math.prod(shape) else np.zeros(shape, dtype)
