"""Which lowerings failed their self-test on this machine: a note beside the object code, read once by each process.

A note counts only for the machine, the versions and the source files it was written for: repairing the engine, or moving the
folder to another machine, makes it void.
"""

import hashlib
import json
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

from carrousel.engine.lower.jit import cache_folder, target
from carrousel.errors import DataError
from carrousel.files import write_json


def switched_off(lowering: str) -> str:
    """Why a lowering must not be used here, as the end of a sentence; empty when nothing is known against it."""
    if lowering in _in_this_process:
        return f"{lowering} failed at its first use in this process: {_in_this_process[lowering]}"
    reason = _read(lowering, cache_folder())
    return reason and f"{lowering} failed its self-test on this machine: {reason}; see `carrousel doctor`"


def switch_off(lowering: str, reason: str) -> None:
    """Use a lowering no more in this process: what failed may be its surroundings, memory that others took for example."""
    _in_this_process[lowering] = reason


_in_this_process: dict[str, str] = {}


def remember(lowering: str, reason: str) -> bool:
    """Write down what a self-test found, an empty reason for "sound"; gives whether the folder could be written."""
    note = {"lowering": lowering, "reason": reason, "sources": _sources()}
    folder = cache_folder()
    try:
        if is_writable(folder):
            write_json(_path(lowering, folder), note)
            return True
    except DataError:
        pass
    finally:
        forget_what_was_read()
    return False


def forget_what_was_read() -> None:
    """Look at the disk again when next asked, and give lowerings that failed in this process another chance."""
    _read.cache_clear()
    _in_this_process.clear()


def is_writable(folder: Path) -> bool:
    """Whether object code and notes can be kept in a folder."""
    if not folder.is_absolute():  # nobody's home
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def _read(lowering: str, folder: Path) -> str:
    path = _path(lowering, folder)
    try:
        note = cast("dict[str, Any]", json.loads(path.read_bytes()))
        reason, sources = str(note["reason"]), note["sources"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return reason if reason and sources == _sources() else ""


def _path(lowering: str, folder: Path) -> Path:
    parts = "\0".join([*target(), *(_version(name) for name in ("carrousel", "torch", "llvmlite"))])
    return folder / f"self_test_{lowering}_{hashlib.sha256(parts.encode()).hexdigest()[:16]}.json"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


@cache
def _sources() -> str:
    """A digest of the engine's own files."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
