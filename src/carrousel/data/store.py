"""A dataset as a folder of ragged arrays and a description, made once from the user's files and then mapped from the disk.

    store.json                              what it was made from, and what its maker says about it
    NAME.values.npy, NAME.offsets.npy       one `Ragged` for each name

A store is known by the content of its sources (SHA-256, not size or time) and by the settings it was made with: while both are
the same it is opened, else it is made anew. It is made beside its place and moved there when it is complete, so that a process
that is killed leaves nothing that looks like a store, and of several processes that make it at once one wins and all are right.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Store:
    """A dataset on the disk.

    Attributes:
        path: of its folder.
        fingerprint: of its sources and settings.
        description: what its maker says about it: vocabularies, counts of skipped lines, whatever JSON can hold.
    """

    path: Path
    fingerprint: str
    description: Mapping[str, Any]

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
        return cls(path, parts["fingerprint"], parts["description"])


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
        sources: the user's files and folders, of which only the content counts.
        settings: all that what is made depends on beside the sources; what JSON can hold.
        make: writes the arrays and gives the description.
        where: what to name in front of an error.

    Raises:
        ConfigError: `path` is a folder with something else in it.
        DataError: a source is missing, or the disk is full or cannot be written.
    """
    key = fingerprint(sources, settings, where)
    if (found := _opened(path, key)) is not None:
        return found
    if path.exists() and not ((path / DESCRIPTION).is_file() or (path.is_dir() and not any(path.iterdir()))):
        raise ConfigError(
            f"{where}: {path} is no store, expected a store, an empty folder or nothing. Name another place, or empty it."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
        try:
            description = make(StoreWriter(partial))
            write_json(partial / DESCRIPTION, {"format": FORMAT, "fingerprint": key, "description": description})
            _move(partial, path, key)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{where}: {path} cannot be written ({error.strerror}), expected room and permission. Name another place."
        ) from None
    return Store(path, key, description)


def fingerprint(sources: Iterable[Path], settings: Mapping[str, Any], where: str = "fingerprint") -> str:
    """A digest of the content of files and folders, and of settings; the same wherever they lie and whenever they were written.

    Raises:
        DataError: a source is missing or cannot be read.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, ensure_ascii=False).encode())
    for source in sources:
        files = sorted(file for file in source.rglob("*") if file.is_file()) if source.is_dir() else [source]
        for file in files:
            name = str(file.relative_to(source)) if file != source else ""
            digest.update(json.dumps(["", name, _digest(file, where)]).encode())
    return digest.hexdigest()


def _digest(file: Path, where: str) -> str:
    digest = hashlib.sha256()
    with opened(file, where, "a file to read", is_text=False) as content:
        while block := content.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


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
