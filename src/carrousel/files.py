"""Writing files so that a reader sees the old content or the new, never a part."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from carrousel.errors import DataError


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` where `path` says, replacing what was there only once everything is on the disk.

    Raises:
        DataError: the disk is full or the folder cannot be written; what was at `path` is still there.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # on a disk that cannot be written, removing fails as well
            partial.unlink()
        raise DataError(
            f"{path} cannot be written ({error.strerror}), expected room and permission. What was there before is unharmed."
        ) from None


def sync_folder(path: Path) -> None:
    """Make the renaming of files in a folder outlast a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
