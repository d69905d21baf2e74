"""Exercises of the literature, one object each: its data, its criterion, its baselines and its published figures.

Needs NumPy only.
"""

from collections.abc import Mapping
from types import MappingProxyType

from carrousel.errors import ConfigError, nearest
from carrousel.tasks.reber import ReberTask, embedded_reber, reber
from carrousel.tasks.task import Baseline as Baseline
from carrousel.tasks.task import Batch as Batch
from carrousel.tasks.task import Published as Published
from carrousel.tasks.task import Score as Score

TASKS: Mapping[str, ReberTask] = MappingProxyType({task.name: task for task in (reber, embedded_reber)})
"""Name -> task."""


def find(name: str) -> ReberTask:
    """The task of that name.

    Raises:
        ConfigError: no task is called so.

    >>> find("embedded-reber").at_least(20).min_length
    20
    """
    if name not in TASKS:
        raise ConfigError(f"unknown task {name!r}.{nearest(name, TASKS)} All tasks: {', '.join(TASKS)}.")
    return TASKS[name]
