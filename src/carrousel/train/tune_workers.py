"""Several processes that make trials of one study side by side."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

import torch

from carrousel.errors import ConfigError
from carrousel.train.interrupt import stop_on_interrupt
from carrousel.train.study import give_up_dead
from carrousel.train.tune import Tuning, tune
from carrousel.train.workers import WorkerError, num_cores

LOOK_S = 0.5  # between two looks at the store
MOST_RESTARTS = 3  # of a worker


def tune_with(
    tuning: Tuning,
    num_trials: int,
    num_workers: int = 1,
    deadline: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[int]:
    """As `tune`, by so many processes; one stays in this process.

    A worker that is killed is replaced, and its trial tried again. When `should_stop` is true, the workers are asked to stop.

    Raises:
        ConfigError: fewer than one worker.
        WorkerError: workers end again and again.
    """
    if num_workers < 1:
        raise ConfigError(f"tune: workers is {num_workers}, expected at least 1. Choose a larger number.")
    if num_workers == 1:
        yield from tune(tuning, num_trials, deadline, should_stop)
        return
    study = tuning.study()
    give_up_dead(study)
    ended = {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}
    threads = max(1, num_cores() // num_workers)
    context = multiprocessing.get_context("spawn")

    def begin() -> SpawnProcess:
        process = context.Process(target=work, args=(tuning, num_trials, deadline, threads), daemon=True)
        process.start()
        return process

    processes: list[SpawnProcess] = [begin() for _ in range(num_workers)]
    restarts, is_stopping = 0, False
    try:
        while processes:
            wait([process.sentinel for process in processes], timeout=LOOK_S)
            gone = [process for process in processes if process.exitcode is not None]
            processes = [process for process in processes if process.exitcode is None]
            if any(process.exitcode for process in gone):
                give_up_dead(study)
            for process in gone:
                if process.exitcode and not should_stop():
                    restarts += 1
                    if restarts > MOST_RESTARTS * num_workers:
                        raise WorkerError(
                            f"tune: worker processes ended {restarts} times before their trials did, the last with exit code "
                            f"{process.exitcode}, expected them to finish. Use fewer workers if memory ran out."
                        )
                    processes.append(begin())
            if should_stop() and not is_stopping:  # a second signal would end the update that they are in
                is_stopping = True
                for process in processes:
                    process.terminate()
            for trial in study.get_trials(deepcopy=False):
                if trial.state.is_finished() and trial.number not in ended:
                    ended.add(trial.number)
                    yield trial.number
    finally:
        _end(processes)
        give_up_dead(study)


def work(tuning: Tuning, num_trials: int, deadline: float | None, threads: int) -> None:
    """What a worker process does."""
    torch.set_num_threads(threads)
    with stop_on_interrupt() as should_stop:
        for _ in tune(tuning, num_trials, deadline, should_stop):
            pass


def _end(processes: list[SpawnProcess]) -> None:
    """Ask processes to stop, and end those that do not."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + 20
    for process in processes:
        process.join(max(0.1, until - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()
