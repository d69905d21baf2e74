"""Jobs in processes side by side, with what they report as it comes."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar, cast

from carrousel.errors import CarrouselError

Job = TypeVar("Job")
Event = TypeVar("Event")

INTERRUPT = {signal.SIGINT}


class WorkerError(CarrouselError):
    """A process that worked on a job came to an end before the job did."""


def run_jobs(work: Callable[[Job], Iterator[Event]], jobs: Sequence[Job], num_workers: int) -> Generator[Event]:
    """Everything that `work` yields for the jobs, those of one job in their order.

    Args:
        work: a function of a module's top level; with more than one worker, jobs and events are pickled.
        num_workers: jobs at a time; one stays in this process. With more, a script that calls this needs
            `if __name__ == "__main__":`. When the iterator is closed or an error passes, all processes are ended.

    Raises:
        CarrouselError: raised by `work`.
        WorkerError: a process was killed.
    """
    if num_workers == 1:
        for job in jobs:
            yield from work(job)
        return
    waiting = deque(jobs)
    with ExitStack() as stack:
        busy: dict[Connection, SpawnProcess] = {}
        for _ in range(min(num_workers, len(jobs))):
            connection, process = stack.enter_context(_process(work))
            connection.send(waiting.popleft())
            busy[connection] = process
        while busy:
            for connection in cast(list[Connection], wait(list(busy))):
                kind, value = _receive(connection, busy[connection])
                if kind == "event":
                    yield value
                elif kind == "error":
                    raise value
                elif waiting:
                    connection.send(waiting.popleft())
                else:
                    del busy[connection]


@contextmanager
def _process(work: Callable[[Any], Iterator[Any]]) -> Generator[tuple[Connection, SpawnProcess]]:
    """A process that waits for jobs, and is no more afterwards. It never sees Ctrl-C, which is for this process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(work, theirs), daemon=True)
    with _interrupts_held_back():
        process.start()
    theirs.close()
    try:
        yield ours, process
    finally:
        process.terminate()
        process.join()
        ours.close()


@contextmanager
def _interrupts_held_back() -> Generator[None]:
    """Ctrl-C comes through afterwards; processes started meanwhile never get it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(work: Callable[[Any], Iterator[Any]], connection: Connection) -> None:
    """Work on the jobs that come, until nobody is left to send or to listen."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            job = connection.recv()
            try:
                for event in work(job):
                    connection.send(("event", event))
            except CarrouselError as error:
                connection.send(("error", error))
            connection.send(("done", None))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _receive(connection: Connection, process: SpawnProcess) -> tuple[str, Any]:
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        raise WorkerError(
            f"a worker process ended with exit code {process.exitcode} in the middle of its work, expected it to finish. "
            "Use fewer workers if memory ran out."
        ) from None


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
