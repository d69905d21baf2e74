"""The store of a study, shared by all workers: SQLite, a journal file, or a database by URL; and trials whose process died."""

import os
import socket
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from carrousel.errors import ConfigError, DataError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

BEAT_S = 30.0  # between two signs of life
SILENT_S = 600.0  # after which a trial on another machine counts as dead
MOST_TRIES = 3
ALIVE, HOST, PID, KILLED, TRY, FAULT = "alive", "host", "pid", "killed", "try", "fault"


def import_optuna(where: str = "tune") -> Any:
    """Optuna, with its own log lines off.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            f"{where}: Optuna is not installed, expected it for a search. pip install 'carrousel[tune]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@lru_cache(maxsize=8)
def open_storage(where_to: str, where: str = "tune") -> "BaseStorage":
    """The storage that a URL, or the path of a journal file, names.

    Args:
        where_to: such as sqlite:///study.db, postgresql://user@machine/database, or shared/study.journal.

    Raises:
        ConfigError: no such kind of database, or its driver is not installed.
        DataError: the database cannot be reached, or the file cannot be written.
    """
    import_optuna(where)
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if "://" not in where_to:
        try:
            Path(where_to).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(where_to))
        except OSError as error:
            raise DataError(
                f"{where}: the journal file {where_to} cannot be written ({error.strerror}), expected a place to write to. "
                "Choose another --storage."
            ) from None
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    options: dict[str, Any] = {
        "poolclass": NullPool
    }  # hours may pass between two calls: no connection is held that long
    if where_to.startswith("sqlite"):
        options["connect_args"] = {"timeout": 60}
    try:
        return RDBStorage(where_to, engine_kwargs=options)
    except (ArgumentError, NoSuchModuleError):
        raise ConfigError(
            f"{where}: the storage {without_password(where_to)} is no database that is known, expected sqlite:///FILE, "
            "postgresql://USER@MACHINE/DATABASE, or the path of a journal file. Mend --storage."
        ) from None
    except ImportError as error:
        raise ConfigError(
            f"{where}: the storage {without_password(where_to)} needs the package {error.name}, expected it to be installed. "
            "pip install 'carrousel[postgresql]'"
        ) from None
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", error)).split())
        raise DataError(
            f"{where}: the storage {without_password(where_to)} cannot be used ({reason}), expected a database to write to. "
            "Check --storage."
        ) from None


def without_password(url: str) -> str:
    """The same URL for people to read.

    >>> without_password("postgresql://me:secret@machine/studies")
    'postgresql://me:***@machine/studies'
    """
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{scheme}{separator}{name}:***@{place}" if at and colon else url


@contextmanager
def sign_of_life(trial: "Trial") -> Generator[None]:
    """Say of a trial which process works on it, and every half a minute that it still does."""
    trial.set_user_attr(HOST, socket.gethostname())
    trial.set_user_attr(PID, os.getpid())
    trial.set_user_attr(ALIVE, time.time())
    is_over = threading.Event()

    def beat() -> None:
        while not is_over.wait(BEAT_S):
            trial.set_user_attr(ALIVE, time.time())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def give_up_dead(study: "Study", now: float | None = None) -> list[int]:
    """Mark the trials whose process is no more as failed, and queue their values for another try; their numbers."""
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    dead = [trial for trial in running if not is_alive(trial, now)]
    return [trial.number for trial in dead if try_again(study, trial)]


def try_again(study: "Study", trial: "FrozenTrial", *, counts: bool = True) -> bool:
    """End a trial that has not come to its end, and queue its values; false where another process has done so.

    Args:
        counts: whether this was one of its tries; after three it is not queued again.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    tries = int(trial.user_attrs.get(TRY, 1))
    is_last = counts and tries >= MOST_TRIES
    storage, trial_id = cast(Any, study)._storage, trial._trial_id  # pyright: ignore[reportPrivateUsage]
    try:
        if is_last:
            storage.set_trial_user_attr(trial_id, FAULT, f"its process ended {MOST_TRIES} times before the trial did")
        else:
            storage.set_trial_user_attr(trial_id, KILLED, True)
        study.tell(trial.number, state=TrialState.FAIL)
    except (UpdateFinishedTrialError, ValueError):
        return False
    if not is_last:
        study.enqueue_trial(trial.params, user_attrs={TRY: tries + int(counts)})
    return True


def is_alive(trial: "FrozenTrial", now: float | None = None) -> bool:
    """Whether the process that works on a trial is there: by its number on this machine, by its signs of life on others."""
    attributes: Mapping[str, Any] = trial.user_attrs
    if attributes.get(HOST) == socket.gethostname() and not is_process(int(attributes.get(PID, 0))):
        return False
    began = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
    return (now or time.time()) - float(attributes.get(ALIVE, began)) < SILENT_S


def is_process(pid: int) -> bool:
    """Whether a process of this machine has that number, and has not ended unnoticed."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
