"""Windows of series, and splits by time."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data.batches import Bucketed
from carrousel.data.frequency import Frequency, read_stamp
from carrousel.data.ragged import Ragged
from carrousel.data.windows import Windows, cut_steps, split_by_time
from carrousel.errors import ConfigError

pytestmark = pytest.mark.tiny

lengths = st.lists(st.integers(0, 12), min_size=1, max_size=4)


def series(sizes: list[int]) -> Ragged:
    """Step t of series k is 100 k + t."""
    return Ragged.of([100 * k + np.arange(size) for k, size in enumerate(sizes)], np.int64)


def enumerated(sizes: list[int], context: int, horizon: int, least: int, stride: int) -> list[tuple[int, int]]:
    """Series and origin of every window, by trying all."""
    return [
        (k, origin)
        for k, size in enumerate(sizes)
        for origin in range(least, size + 1, stride)
        if origin + horizon <= size
    ]


@given(lengths, st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3))
def test_windows_are_those_that_fit(sizes: list[int], context: int, horizon: int, fewer: int, stride: int) -> None:
    least, data = max(1, context - fewer), series(sizes)
    windows = Windows(data.offsets, context, horizon, min_context=least, stride=stride)
    expected = enumerated(sizes, context, horizon, least, stride)
    assert len(windows) == len(expected)
    if not expected:
        return
    rows = np.arange(len(windows))
    ks, origins = windows.places(rows)
    assert list(zip(ks.tolist(), origins.tolist(), strict=True)) == expected
    contexts, horizons = windows.contexts(data.values, rows), windows.horizons(data.values, rows)
    for row, (k, origin) in enumerate(expected):
        past = data[k][max(0, origin - context) : origin]
        assert windows.lengths(rows)[row] == len(past)
        assert contexts[: len(past), row].tolist() == past.tolist()
        assert (contexts[len(past) :, row] == 0).all()
        assert horizons[:, row].tolist() == data[k][origin : origin + horizon].tolist()


@given(lengths, st.integers(1, 4), st.integers(1, 3), st.integers(0, 12), st.integers(0, 12))
def test_only_the_horizon_has_to_lie_in_the_part(
    sizes: list[int], context: int, horizon: int, begin: int, end: int
) -> None:
    data = series(sizes)
    begins, ends = np.full(len(sizes), begin), np.full(len(sizes), end)
    windows = Windows(data.offsets, context, horizon, begins=begins, ends=ends)
    ks, origins = windows.places(np.arange(len(windows)))
    found = set(zip(ks.tolist(), origins.tolist(), strict=True))
    every = set(enumerated(sizes, context, horizon, context, 1))
    assert found == {(k, origin) for k, origin in every if begin <= origin and origin + horizon <= end}


def test_windows_are_read_from_a_mapped_file(tmp_path: Path) -> None:
    series([9, 9]).save(tmp_path / "y")
    mapped = Ragged.open(tmp_path / "y")
    windows = Windows(mapped.offsets, 3, 2)
    assert windows.contexts(mapped.values, np.array([0, 5])).T.tolist() == [[0, 1, 2], [100, 101, 102]]
    assert isinstance(mapped.values, np.memmap)


def test_batches_of_windows_go_on_from_one_number_and_are_shared_out() -> None:
    windows = Windows(series([30, 30]).offsets, 4, 2)
    batches = Bucketed(np.zeros(len(windows), np.int8), 8, seed=3, drop_last=True)
    seen = [batches.next() for _ in range(2 * len(batches))]
    again = Bucketed(np.zeros(len(windows), np.int8), 8, seed=3, drop_last=True)
    again.load_state_dict({"position": 5})
    assert again.next().tolist() == seen[5].tolist()
    parts = [Bucketed(np.zeros(len(windows), np.int8), 8, seed=3, drop_last=True).shard(rank, 2) for rank in range(2)]
    assert sorted(np.concatenate([part.next() for part in parts]).tolist()) == sorted(seen[0].tolist())
    assert len(set(np.concatenate(seen[: len(batches)]).tolist())) == 8 * len(batches)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"context": 0}, "Windows: context is 0, expected at least 1. Give a positive context."),
        ({"horizon": 0}, "Windows: horizon is 0, expected at least 1. Give a positive horizon."),
        ({"stride": 0}, "Windows: stride is 0, expected at least 1. Give a positive stride."),
        ({"min_context": 5}, "Windows: min_context is 5, expected at most context, 3. Lower it."),
    ],
)
def test_sizes_out_of_range_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Windows(np.array([0, 9]), **cast(Any, {"context": 3, "horizon": 2, **settings}))
    assert str(caught.value) == message


HOUR = Frequency.of("h")
DAY = 24


def at(text: str) -> int:
    return read_stamp(text)[0]


def test_one_date_cuts_all_series() -> None:
    starts, sizes = np.array([at("2024-03-01"), at("2024-03-05")]), np.array([10 * DAY, 6 * DAY])
    split = split_by_time(starts, sizes, HOUR, at("2024-03-07"), at("2024-03-09"))
    assert split.train_ends.tolist() == [6 * DAY, 2 * DAY]
    assert split.valid_ends.tolist() == [8 * DAY, 4 * DAY]
    assert (split.valid_from, split.test_from) == (at("2024-03-07"), at("2024-03-09"))


def test_parts_are_parts_of_the_whole_time() -> None:
    starts, sizes = np.array([at("2024-03-01"), at("2024-03-01")]), np.array([100, 40])
    split = split_by_time(starts, sizes, HOUR, 0.2, 0.1)
    assert split.train_ends.tolist() == [70, 40]
    assert split.valid_ends.tolist() == [90, 40]
    split = split_by_time(starts, sizes, HOUR, 0.2, 0.0)
    assert (split.train_ends.tolist(), split.test_from) == ([80, 40], None)
    split = split_by_time(starts, sizes, HOUR, 0.1, at("2024-03-01") + 60 * HOUR.count)
    assert (split.train_ends.tolist(), split.valid_ends.tolist()) == ([50, 40], [60, 40])


def test_a_cut_between_two_steps_comes_before_the_later() -> None:
    starts = np.array([at("2024-03-01 00:30")])
    assert cut_steps(starts, np.array([9]), HOUR, at("2024-03-01 03:00")).tolist() == [3]
    assert cut_steps(starts, np.array([9]), HOUR, at("2024-03-01 03:30")).tolist() == [3]
    assert cut_steps(starts, np.array([9]), HOUR, at("2020-01-01")).tolist() == [0]
    months = cut_steps(np.array([at("2024-01-31")]), np.array([9]), Frequency.of("ME"), at("2024-03-01"))
    assert months.tolist() == [2]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), min_size=1, max_size=4), st.integers(5, 60))
def test_nothing_at_or_after_a_cut_lies_before_it(shapes: list[tuple[int, int]], cut: int) -> None:
    starts, sizes = (np.array(part) for part in zip(*shapes, strict=True))
    steps = cut_steps(starts * HOUR.count, sizes, HOUR, cut * HOUR.count)
    for start, size, step in zip(starts, sizes, steps, strict=True):
        assert all((start + t < cut) == (t < step) for t in range(size))


@pytest.mark.parametrize(
    ("valid", "test", "message"),
    [
        (1.5, 0.0, "train: valid is 1.5, expected a part, 0 to 1, or a date. Choose one in range."),
        (
            0.6,
            0.4,
            "train: validation begins at step 0 and the test at step 60 of 100, expected training first, then validation, then the "
            "test. Change valid or test.",
        ),
        (
            0.1,
            at("2024-02-20"),
            "train: validation begins at step -250 and the test at step -240 of 100, expected training first, then validation, "
            "then the "
            "test. Change valid or test.",
        ),
    ],
)
def test_a_split_that_leaves_nothing_is_refused(valid: int | float, test: int | float, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split_by_time(np.array([at("2024-03-01")]), np.array([100]), HOUR, valid, test, "train")
    assert str(caught.value) == message
