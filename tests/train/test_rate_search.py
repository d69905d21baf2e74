"""The range test of a kind's settings: what it suggests, what it prints, and that it leaves nothing."""

import io
import os
from pathlib import Path
from typing import cast

import pytest
import torch
from rich.console import Console
from toy_kind import ToyKind, ToySettings

from carrousel.errors import ConfigError
from carrousel.train.range_test import Point
from carrousel.train.rate_search import Rates, find_rate, print_rates

pytestmark = pytest.mark.tiny

SETTINGS = ToySettings.of({"train": {"optimiser": "sgd", "clip_norm": float("inf"), "learning_rate": 0.02}})


def printed(found: Rates) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    print_rates(console, found)
    return [line.rstrip() for line in cast(io.StringIO, console.file).getvalue().splitlines()]


def test_a_kind_is_tried_at_rising_rates_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = find_rate(ToyKind(), SETTINGS, low=1e-3, high=10.0, updates=41)
    assert [point.learning_rate for point in found.points[:3]] == pytest.approx([1e-3, 1e-3 * 10**0.1, 1e-3 * 10**0.2])
    assert found.points[0].loss == 9.0  # (0 - 3)²
    assert found.suggested is not None
    assert 0.01 < found.suggested < 1  # above 1 the parabola's steps grow
    assert (found.current, found.reason) == (0.02, "")
    assert os.listdir(tmp_path) == []


def test_it_starts_from_what_the_network_is_made_to_be() -> None:
    def near(network: torch.nn.Module) -> None:
        torch.nn.init.constant_(cast(torch.nn.Parameter, network.weight), 2.0)

    assert find_rate(ToyKind(), SETTINGS, updates=5, change=near).points[0].loss == 1.0


def test_wrong_bounds_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        find_rate(ToyKind(), SETTINGS, low=1.0, high=0.1)
    assert str(caught.value) == (
        "range_test: low is 1, high 0.1 and updates 100, expected 0 < low < high and at least 5 updates. Choose others."
    )


def test_losses_are_bars_that_end_where_the_loss_runs_away() -> None:
    losses = (4.0, 4.0, 3.0, 2.0, 1.0, 100.0)
    points = tuple(Point(10.0 ** (k - 5), loss, loss) for k, loss in enumerate(losses))
    assert printed(Rates(points, 1e-3, "", 0.002)) == [
        "learning rate  loss, smoothed",
        f"      1.0e-05               4  {'█' * 20}",
        f"      1.0e-04               4  {'█' * 20}",
        f"      1.0e-03               3  {'█' * 13} <- suggested",
        f"      1.0e-02               2  {'█' * 7}",
        "      1.0e-01               1",
        f"      1.0e+00             100  {'█' * 40}",
        "The loss fell fastest at train.learning_rate=0.001; the settings have 0.002. No run folder was made.",
    ]


def test_a_long_test_is_shown_in_part_with_the_suggested_rate_and_the_last() -> None:
    points = tuple(Point(1.1**k, 100.0 - k, 100.0 - k) for k in range(100))
    lines = printed(Rates(points, 1.1**50 * 1.1, "", 0.002))
    assert len(lines) == 1 + 25 + 1 + 1 + 1
    assert sum("<- suggested" in line for line in lines) == 1


def test_a_loss_that_never_falls_is_said() -> None:
    flat = tuple(Point(10.0**k, 1.0, 1.0) for k in range(6))
    assert printed(Rates(flat, None, "suggest: ... a loss that falls. Begin at a lower rate.", 0.002))[-1] == (
        "suggest: ... a loss that falls. Begin at a lower rate."
    )
    far = find_rate(ToyKind(), SETTINGS, low=5.0, high=6.0, updates=5)
    assert far.suggested is None
    assert far.reason == (
        f"suggest: {len(far.points)} points with the least loss at number 0, expected at least 5 and a loss that falls. Begin at a "
        "lower rate, or make more updates."
    )
