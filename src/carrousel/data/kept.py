"""Where the numbers of a user's data are while they are used: in memory, or in files that are mapped.

A maker writes arrays without knowing where they go, so that data of either sort is the same, number by number:

    with writer.array("values", np.float32, (3,)) as values:
        values.append(rows)

It goes to a folder that the user names, and is found there the next time (`store.py`); without one, to memory, or where the user's
files are larger than `LARGE`, to files in the folder for temporary ones (`TMPDIR` says which) that vanish with the process.
"""

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped
from numpy.typing import DTypeLike

from carrousel.data.ragged import Ragged
from carrousel.data.store import Store, StoreWriter, stored, told
from carrousel.errors import DataError

LARGE = 1 << 28
"""Bytes of the user's files that are kept in memory as numbers without being asked; 256 MB."""


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

    def __getitem__(self, name: str) -> Ragged:
        """One of the arrays.

        Raises:
            DataError: its files are damaged.
        """
        return self.arrays[name]


def kept(
    path: Path | None, sources: Sequence[Path], settings: Mapping[str, Any], make: Make, where: str = "kept"
) -> Kept:
    """What `make` writes: in the folder `path` where it is given, else in memory or, where it is much, in temporary files.

    Args:
        path: of a store, which is opened where it was made of the same sources and settings.
        sources: the user's files.
        settings: all that what is made depends on beside the sources; what JSON can hold.
        where: what to name in front of an error.

    Raises:
        ConfigError: `path` is a folder with something else in it.
        DataError: a source is missing, or the disk is full or cannot be written.
    """
    if path is not None:
        store = stored(path, sources, settings, make, where)
        return Kept(store.description, store, told(path, [store]))
    return in_temporary_files(make, where) if size_of(sources) > LARGE else in_memory(make)


def size_of(sources: Sequence[Path]) -> int:
    """Bytes of files; those that are not there count nothing, which is for their reader to say."""
    return sum(source.stat().st_size for source in sources if source.is_file())


def in_memory(make: Make) -> Kept:
    """What `make` writes, in memory."""
    writer = _MemoryWriter()
    return Kept(make(writer), writer.arrays)


def in_temporary_files(make: Make, where: str = "kept", folder: Path | None = None) -> Kept:
    """What `make` writes, mapped from files that no folder lists any more and that vanish with the process.

    Args:
        folder: where there is room for them; None for that of temporary files.

    Raises:
        DataError: the folder for temporary files is full or cannot be written.
    """
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        path = Path(mkdtemp(prefix=".carrousel-", dir=folder))
    except OSError as error:
        raise DataError(
            f"{where}: no temporary folder can be made ({error.strerror}), expected one. Name another in TMPDIR, or a store."
        ) from None
    try:
        writer = _NamingWriter(path)
        description = make(writer)
        return Kept(description, {name: Ragged.open(path / name) for name in writer.names}, "Kept in temporary files.")
    finally:
        # A mapped file stays until nobody maps it. Where a system refuses to take its name away before, the file is left there.
        shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class _MemoryWriter:
    arrays: dict[str, Ragged] = field(default_factory=dict[str, Ragged])

    @contextmanager
    def array(self, name: str, dtype: DTypeLike, feature_shape: Sequence[int] = ()) -> Generator[Appends]:
        parts = _Parts(np.dtype(dtype))
        yield parts
        nothing = np.zeros((0, *feature_shape), dtype)
        offsets = np.zeros(len(parts.parts) + 1, np.int64)
        np.cumsum([len(part) for part in parts.parts], out=offsets[1:])
        self.arrays[name] = Ragged(np.concatenate([nothing, *parts.parts]), offsets)


@dataclass(frozen=True)
class _Parts:
    dtype: np.dtype[Any]
    parts: list[Shaped[np.ndarray, "..."]] = field(default_factory=list[np.ndarray])

    def append(self, sequence: Shaped[np.ndarray, "..."]) -> None:
        self.parts.append(np.array(sequence, self.dtype))


class _NamingWriter:
    def __init__(self, path: Path) -> None:
        self.names = list[str]()
        self._writer = StoreWriter(path)

    def array(
        self, name: str, dtype: DTypeLike, feature_shape: Sequence[int] = ()
    ) -> AbstractContextManager[Appends, Any]:
        self.names.append(name)
        return self._writer.array(name, dtype, feature_shape)
