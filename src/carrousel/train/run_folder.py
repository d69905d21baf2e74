"""A run folder: the one place where a run leaves what it did, and from which it goes on."""

import json
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from carrousel.errors import ConfigError, DataError
from carrousel.files import sync_folder, write_atomically, write_json


def default_path(name: str, now: datetime) -> Path:
    """runs/<name>_<date>, with a number at the end where that is taken."""
    path = Path("runs") / f"{name}_{now:%Y-%m-%d_%H-%M-%S}"
    number, free = 2, path
    while free.exists():
        number, free = number + 1, path.with_name(f"{path.name}_{number}")
    return free


def check_is_new(path: Path, where: str) -> None:
    """Refuse a folder that is in use.

    Raises:
        ConfigError: something is at `path` that is not an empty folder.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        what = "already exists" if path.is_dir() else "is a file"
        to_resume = (
            f", or go on with a run that was stopped: carrousel train --resume {path}" if where == "train" else "."
        )
        raise ConfigError(f"{where}: the run folder {path} {what}, expected a new one. Choose another --run{to_resume}")


class RunFolder:
    """An existing run folder; `create` makes one.

    Metrics are lines of JSON. They are on the disk when `sync_metrics` returns; its number, given to `cut_metrics` by a
    later process, drops what was written afterwards.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unwritten: list[str] = []

    @classmethod
    def create(cls, path: Path, first_files: Mapping[str, str], where: str = "train") -> "RunFolder":
        """A new folder with these files in it; it appears with all of them or not at all.

        Raises:
            ConfigError: something is already at `path`.
            DataError: the place cannot be written to.
        """
        check_is_new(path, where)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            partial.mkdir(parents=True)
            for name, text in first_files.items():
                write_atomically(partial / name, text.encode())
            os.replace(partial, path)
            sync_folder(path.parent)
        except DataError:  # which file found the disk full
            shutil.rmtree(partial, ignore_errors=True)
            raise
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise DataError(
                f"{where}: the run folder {path} cannot be made ({error.strerror}), expected a place to write to. "
                "Choose another --run."
            ) from None
        return cls(path)

    def source(self, where: str = "train") -> str:
        """The data as the user named it, where config.yaml has absolute paths; nothing in runs of earlier versions.

        Raises:
            DataError: data.json is damaged.
        """
        try:
            return str(json.loads((self.path / "data.json").read_text(encoding="utf-8"))["source"])
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{where}: {self.path}/data.json is damaged ({error}), expected what `carrousel train` wrote. Start a new run."
            ) from None

    def add_metrics(self, values: Mapping[str, Any]) -> None:
        """One more line for metrics.jsonl."""
        self._unwritten.append(json.dumps(values) + "\n")

    def sync_metrics(self) -> int:
        """Bytes of metrics.jsonl, all of them on the disk now.

        Raises:
            DataError: the disk is full or the file cannot be written.
        """
        path = self.path / "metrics.jsonl"
        try:
            with path.open("ab") as file:
                file.write("".join(self._unwritten).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _cannot_be_written(path, error) from None
        self._unwritten.clear()
        return path.stat().st_size

    def cut_metrics(self, num_bytes: int) -> None:
        """Drop everything after the first `num_bytes` bytes of metrics.jsonl.

        Raises:
            DataError: the file is shorter than that, or cannot be written.
        """
        path = self.path / "metrics.jsonl"
        size = path.stat().st_size if path.exists() else 0
        if size < num_bytes:
            raise DataError(
                f"{path} has {size:,} bytes, expected at least the {num_bytes:,} it had at the checkpoint. Put the file "
                "back, or start a new run."
            )
        if size > num_bytes:
            try:
                os.truncate(path, num_bytes)
            except OSError as error:
                raise _cannot_be_written(path, error) from None

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        self.sync_metrics()
        with (self.path / "metrics.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def log(self, text: str) -> None:
        """Add text to log.txt, each line with the time.

        Raises:
            DataError: the disk is full or the file cannot be written.
        """
        now, path = datetime.now().isoformat(" ", "seconds"), self.path / "log.txt"
        try:
            with path.open("a", encoding="utf-8") as file:
                file.writelines(f"{now}  {line}\n" for line in text.splitlines())
        except OSError as error:
            raise _cannot_be_written(path, error) from None

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file of this name, atomically."""
        write_json(self.path / name, value)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of this name, atomically."""
        write_atomically(self.path / name, text.encode())


def _cannot_be_written(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written ({error.strerror}), expected room and permission. The last checkpoint is unharmed."
    )
