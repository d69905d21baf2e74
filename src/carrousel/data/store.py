"""A dataset as a folder of ragged arrays and a description, made once from the user's files and then mapped from the disk.

    store.json                              what it was made from, and what its maker says about it
    NAME.values.npy, NAME.offsets.npy       one `Ragged` for each name

A store is known by the content of its sources (SHA-256) and by the settings it was made with: while both are the same it is
opened, else it is made anew. Sources that lie where they lay, with the size and time they had, are not read again to see that;
those written less than two seconds before they were looked at are, since a clock may be too coarse to tell two writings apart. A
store is made beside its place and moved there when it is complete, so that a process that is killed leaves nothing that looks
like a store, and of several processes that make it at once one wins and all are right.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast

from numpy.typing import DTypeLike

from carrousel.data.opening import opened
from carrousel.data.ragged import Ragged, RaggedWriter
from carrousel.errors import ConfigError, DataError
from carrousel.files import write_json

FORMAT = 1
DESCRIPTION = "store.json"
BLOCK = 1 << 20
CLOCK_NS = 2_000_000_000  # a file written later than so long before it was looked at may change without a new time
Stamp = list[str | int]
"""Path, size in bytes and time of the last change in nanoseconds of a file."""


@dataclass(frozen=True)
class Store:
    """A dataset on the disk.

    Attributes:
        path: of its folder.
        fingerprint: of its sources and settings.
        description: what its maker says about it: vocabularies, counts of skipped lines, whatever JSON can hold.
        is_new: whether it was made just now.
    """

    path: Path
    fingerprint: str
    description: Mapping[str, Any]
    is_new: bool = field(default=False, compare=False)

    def __getitem__(self, name: str) -> Ragged:
        """One of its arrays, mapped and read-only.

        Raises:
            DataError: it has none of this name, or its files are damaged.
        """
        return Ragged.open(self.path / name)

    @classmethod
    def open(cls, path: Path) -> "Store":
        """The store in a folder.

        Raises:
            DataError: there is none, or it is damaged or of another version.
        """
        parts = cls.read(path)
        return cls(path, parts["fingerprint"], parts["description"])

    @classmethod
    def read(cls, path: Path) -> dict[str, Any]:
        """What its description says, all of it; errors as `open`."""
        try:
            saved: Any = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"Store.open: {path} has no {DESCRIPTION}, expected a store. Check the path.") from None
        except (OSError, ValueError) as error:
            raise DataError(
                f"Store.open: {path}/{DESCRIPTION} cannot be read ({error}), expected a store. Delete it, and it is made anew."
            ) from None
        parts = cast(dict[str, Any], saved) if isinstance(saved, dict) else {}
        if parts.get("format") != FORMAT:
            raise DataError(
                f"Store.open: {path} has format {parts.get('format')}, expected {FORMAT}. Delete it, and it is made anew."
            )
        return parts


@dataclass(frozen=True)
class StoreWriter:
    """Where the maker of a store puts its arrays.

    Attributes:
        path: of the folder that becomes the store.
    """

    path: Path

    def array(self, name: str, dtype: DTypeLike, feature_shape: Sequence[int] = ()) -> RaggedWriter:
        """A writer of one of its arrays, to be used in a `with` block.

        Raises:
            ConfigError: the name is not one for a file.
        """
        if not name.isidentifier():
            raise ConfigError(f"StoreWriter: the name is {name!r}, expected letters, digits and _. Give another name.")
        return RaggedWriter(self.path / name, dtype, feature_shape)


def stored(
    path: Path,
    sources: Iterable[Path],
    settings: Mapping[str, Any],
    make: Callable[[StoreWriter], Mapping[str, Any]],
    where: str = "stored",
) -> Store:
    """The store at `path`: the one that is there if it has the same sources and settings, else a new one.

    Args:
        sources: the user's files and folders.
        settings: all that what is made depends on beside the sources; what JSON can hold.
        make: writes the arrays and gives the description.
        where: what to name in front of an error.

    Raises:
        ConfigError: `path` is a folder with something else in it.
        DataError: a source is missing or changes while it is read, or the disk is full or cannot be written.
    """
    sources = list(sources)
    seen = _Seen.now(sources, settings)
    if (found := _opened_unread(path, seen)) is not None:
        return found
    key = fingerprint(sources, settings, where)
    if (found := _opened(path, key)) is not None:
        with suppress(DataError):  # a store that others share may be read-only; its sources are then read each time
            write_json(path / DESCRIPTION, _described(found, seen))
        return found
    if path.exists() and not ((path / DESCRIPTION).is_file() or (path.is_dir() and not any(path.iterdir()))):
        raise ConfigError(
            f"{where}: {path} is no store, expected a store, an empty folder or nothing. Name another place, or empty it."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
        try:
            made = Store(path, key, make(StoreWriter(partial)), is_new=True)
            if _Seen.now(sources, settings).files != seen.files:
                raise DataError(
                    f"{where}: {', '.join(map(str, sources))} changed while it was read, expected data that nobody writes. Start "
                    "again when it is complete."
                )
            write_json(partial / DESCRIPTION, _described(made, seen))
            _move(partial, path, key)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{where}: {path} cannot be written ({error.strerror}), expected room and permission. Name another place."
        ) from None
    return made


def told(folder: Path, stores: Iterable[Store]) -> str:
    """Where the stores of a folder are and whether one was made just now, as a sentence for people."""
    return f"Kept in {folder}, {'written' if any(store.is_new for store in stores) else 'found there unchanged'}."


def fingerprint(sources: Iterable[Path], settings: Mapping[str, Any], where: str = "fingerprint") -> str:
    """A digest of the content of files and folders, and of settings; the same wherever they lie and whenever they were written.

    Raises:
        DataError: a source is missing or cannot be read.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, ensure_ascii=False).encode())
    for source in sources:
        for file in _files_of(source):
            name = str(file.relative_to(source)) if file != source else ""
            digest.update(json.dumps(["", name, _digest(file, where)]).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Seen:
    """How sources looked from outside.

    Attributes:
        settings: a digest of those the store is made with.
        at: when that was, in nanoseconds since 1970.
        files: empty where one cannot be looked at, which is for the reader to say.
    """

    settings: str
    at: int
    files: list[Stamp]

    @classmethod
    def now(cls, sources: Iterable[Path], settings: Mapping[str, Any]) -> "_Seen":
        files = list[Stamp]()
        at = time.time_ns()
        with suppress(OSError):
            for source in sources:
                for file in _files_of(source):
                    found = file.stat()
                    files.append([str(file.absolute()), found.st_size, found.st_mtime_ns])
        return cls(fingerprint([], settings), at, files)

    def is_still(self, now: "_Seen") -> bool:
        """Whether everything looks as it did, and could not have changed without looking otherwise."""
        is_old = all(cast(int, changed) + CLOCK_NS < self.at for _, _, changed in self.files)
        return is_old and (self.settings, self.files) == (now.settings, now.files)


def _files_of(source: Path) -> list[Path]:
    return sorted(file for file in source.rglob("*") if file.is_file()) if source.is_dir() else [source]


def _described(store: Store, seen: _Seen) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "fingerprint": store.fingerprint,
        "seen": asdict(seen),
        "description": store.description,
    }


def _digest(file: Path, where: str) -> str:
    digest = hashlib.sha256()
    with opened(file, where, "a file to read", is_text=False) as content:
        while block := content.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _opened_unread(path: Path, now: _Seen) -> Store | None:
    """The store, where its sources need not be read to know that it is theirs."""
    try:
        before = Store.read(path).get("seen")
        return Store.open(path) if before and _Seen(**before).is_still(now) else None
    except (DataError, TypeError, ValueError):
        return None


def _opened(path: Path, key: str) -> Store | None:
    try:
        store = Store.open(path)
    except DataError:
        return None
    return store if store.fingerprint == key else None


def _move(partial: Path, path: Path, key: str) -> None:
    """Put a complete store in its place, where another one may be: of another key it goes, of the same one it stays."""
    if _opened(path, key) is not None:
        return
    old = partial.with_name(f"{partial.name}.old")
    try:
        if path.exists():
            os.replace(path, old)
        os.replace(partial, path)
    except OSError:
        if _opened(path, key) is None:  # else another process was first, with the same content
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
