"""Work in several processes, tried with functions of the standard library, which every process can import."""

import itertools
import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any, cast

import pytest

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.errors import ConfigError
from carrousel.train.workers import WorkerError, run_jobs

END: Any = os._exit
JOBS = [[1, 2, 3], [4], [], [5, 6]]
STRINGS: Callable[[list[int]], Iterator[str]] = partial(cast(Any, map), str)
CELLS: Callable[[list[str]], Iterator[Cell]] = partial(cast(Any, map), find)


@pytest.mark.tiny
def test_one_worker_yields_job_after_job() -> None:
    assert list(run_jobs(STRINGS, JOBS, 1)) == ["1", "2", "3", "4", "5", "6"]
    assert multiprocessing.active_children() == []


def test_several_workers_yield_the_same_and_are_gone_afterwards() -> None:
    found = list(run_jobs(STRINGS, JOBS, 3))
    assert Counter(found) == Counter("123456")
    assert [event for event in found if event in "123"] == ["1", "2", "3"]
    assert multiprocessing.active_children() == []


def test_more_workers_than_jobs_do_no_harm() -> None:
    assert list(run_jobs(STRINGS, [[7]], 2)) == ["7"]


def test_closing_ends_what_would_never_end() -> None:
    with closing(run_jobs(itertools.repeat, ["again"] * 2, 2)) as events:
        assert [next(events) for _ in range(3)] == ["again"] * 3
    assert multiprocessing.active_children() == []


def test_an_error_comes_through_with_its_message() -> None:
    message = "unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        list(run_jobs(CELLS, [["lsmt"], ["lstm"]], 2))
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_is_reported() -> None:
    message = (
        "a worker process ended with exit code 3 in the middle of its work, expected it to finish. Use fewer workers if "
        "memory ran out."
    )
    with pytest.raises(WorkerError, match=f"^{re.escape(message)}$"):
        list(run_jobs(END, [3, 3], 2))
    assert multiprocessing.active_children() == []
