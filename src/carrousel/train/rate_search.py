"""Which learning rate to begin with: the range test of any kind's settings, and what it found as a picture in text."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from carrousel.errors import ConfigError
from carrousel.train.kind import Kind
from carrousel.train.range_test import Point, range_test, suggest
from carrousel.train.run import build

NUM_SHOWN = 25
WIDTH = 40  # characters of the longest bar


@dataclass(frozen=True)
class Rates:
    """What a range test found.

    Attributes:
        points: one an update, rates rising.
        suggested: where the loss fell fastest; None where it did not fall.
        reason: why there is no suggestion; empty where there is one.
        current: the learning rate of the settings.
    """

    points: tuple[Point, ...]
    suggested: float | None
    reason: str
    current: float


def find_rate(
    kind: Kind[Any],
    settings: Any,
    where: str = "train",
    data: Any = None,
    low: float = 1e-6,
    high: float = 10.0,
    updates: int = 100,
    change: Callable[[Any], None] = lambda network: None,
) -> Rates:
    """Make a range test of a network as `Run.start` would make it; nothing is written anywhere.

    Args:
        kind, settings, where, data: as `Run.start` takes them.
        low, high, updates: as `range_test` takes them.
        change: sees the network first, such as to start from trained weights.

    Raises:
        ConfigError: a setting that does not fit.
        DataError: data that cannot be used.
    """
    made = build(kind, settings, where, data, change)
    points = tuple(range_test(made["training"], made["prepared"].loss, made["plan"], low, high, updates))
    current = settings.train.learning_rate
    try:
        return Rates(points, suggest(points), "", current)
    except ConfigError as error:
        return Rates(points, None, str(error), current)


def print_rates(console: Console, found: Rates) -> None:
    """The losses as bars, at most 25 of them, and the suggested rate."""
    table = Table(box=None, pad_edge=False)
    for name in ("learning rate", "loss, smoothed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    shown = _shown(found)
    least, most = min(point.smoothed for point in shown), _ceiling([point.smoothed for point in shown])
    for point in shown:
        part = (min(point.smoothed, most) - least) / (most - least) if most > least else 0.0
        mark = " <- suggested" if point.learning_rate == found.suggested else ""
        table.add_row(f"{point.learning_rate:.1e}", f"{point.smoothed:.4g}", "█" * round(part * WIDTH) + mark)
    console.print(table)
    if found.suggested is None:
        console.print(found.reason, soft_wrap=True, markup=False)
        return
    console.print(
        f"The loss fell fastest at train.learning_rate={found.suggested:.2g}; the settings have {found.current:g}. "
        "No run folder was made.",
        soft_wrap=True,
    )


def _shown(found: Rates) -> list[Point]:
    """Points at equal distances, the suggested one among them."""
    every = math.ceil(len(found.points) / NUM_SHOWN)
    numbers = set(range(0, len(found.points), every)) | {len(found.points) - 1}
    return [point for k, point in enumerate(found.points) if k in numbers or point.learning_rate == found.suggested]


def _ceiling(losses: list[float]) -> float:
    """The loss at which bars end: that of a run that runs away would leave nothing of the others."""
    first, least = losses[0], min(losses)
    return min(max(losses), first + (first - least)) if first > least else max(losses)
