"""Streams and windows of a long sequence."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data import Ragged, Streams
from carrousel.errors import ConfigError

pytestmark = pytest.mark.tiny

sizes = st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(0, 60))
seeds = st.one_of(st.none(), st.integers(0, 9))


def make(size: tuple[int, int, int], seed: int | None = None, *, keep_tail: bool = False) -> Streams:
    """Streams over 0, 1, 2 ..., long enough for one window and `extra` symbols more."""
    batch_size, window, extra = size
    return Streams(np.arange((batch_size + 1) * window + 1 + extra), batch_size, window, seed=seed, keep_tail=keep_tail)


@given(sizes, seeds, st.integers(0, 50))
def test_targets_are_the_symbols_one_step_later(size: tuple[int, int, int], seed: int | None, k: int):
    x, y, _ = make(size, seed).window(k)
    assert x.shape == (size[1], size[0])
    assert (y == x + 1).all()


@given(sizes, seeds, st.integers(0, 50))
def test_each_stream_goes_on_where_it_ended_unless_it_starts(size: tuple[int, int, int], seed: int | None, k: int):
    streams = make(size, seed)
    (_, y, _), (x, _, is_start) = streams.window(k), streams.window(k + 1)
    assert is_start == ((k + 1) % len(streams) == 0)
    assert is_start or (x[0] == y[-1]).all()


@given(sizes)
def test_an_evaluation_sees_each_symbol_once_but_the_last_few(size: tuple[int, int, int]):
    streams = make(size, keep_tail=True)
    seen = np.sort(np.concatenate([y.ravel() for _, y, _ in streams]))
    assert (seen == np.arange(1, len(seen) + 1)).all()
    assert 0 <= len(streams.ids) - 1 - len(seen) < size[0]


@given(sizes, seeds)
def test_streams_read_equal_stretches_side_by_side(size: tuple[int, int, int], seed: int | None):
    streams = make(size, seed)
    first = streams.window(0).x[0]
    assert first.tolist() == [b * streams.stream_size for b in range(size[0])]


def test_epochs_begin_at_offsets_below_the_window_drawn_from_the_seed():
    streams = Streams(np.arange(1000), 2, 8, seed=3)
    offsets = [streams.offset(epoch) for epoch in range(200)]
    assert offsets[0] == 0
    assert set(offsets) == set(range(8))
    assert offsets == [Streams(np.arange(1000), 2, 8, seed=3).offset(epoch) for epoch in range(200)]
    assert offsets != [Streams(np.arange(1000), 2, 8, seed=4).offset(epoch) for epoch in range(200)]
    assert streams.window(5 * len(streams)).x[0, 0] == offsets[5]


def test_without_a_seed_all_epochs_are_alike():
    streams = Streams(np.arange(50), 2, 8)
    assert (streams.window(0).x == streams.window(7 * len(streams)).x).all()


def test_windows_are_views_of_the_sequence():
    ids = np.arange(50)
    x, y, _ = Streams(ids, 2, 8).window(1)
    assert np.shares_memory(x, ids)
    assert np.shares_memory(y, ids)


@pytest.mark.parametrize(
    ("seed", "keep_tail", "needed"),
    [(None, False, 4 * 8 + 1), (1, False, 5 * 8), (None, True, 4 + 1)],
)
def test_a_sequence_too_short_for_a_window_is_refused(seed: int | None, keep_tail: bool, needed: int):
    assert len(Streams(np.arange(needed), 4, 8, seed=seed, keep_tail=keep_tail)) == 1
    with pytest.raises(ConfigError) as caught:
        Streams(np.arange(needed - 1), 4, 8, seed=seed, keep_tail=keep_tail)
    assert str(caught.value) == (
        f"Streams: ids has {needed - 1} symbols, expected at least {needed} for batch_size 4 and window 8. "
        "Give a longer text, or lower batch_size or window."
    )


@pytest.mark.parametrize(("batch_size", "window", "wrong"), [(0, 8, "batch_size is 0"), (4, -1, "window is -1")])
def test_sizes_below_one_are_refused(batch_size: int, window: int, wrong: str):
    with pytest.raises(ConfigError) as caught:
        Streams(np.arange(100), batch_size, window)
    assert str(caught.value) == f"Streams: {wrong}, expected at least 1. Give a positive {wrong.split()[0]}."


@given(sizes, seeds, st.integers(0, 50), st.integers(1, 5))
def test_processes_share_the_streams_of_one(size: tuple[int, int, int], seed: int | None, k: int, world: int):
    streams = make(size, seed)
    world = min(world, size[0])
    x, y, is_start = streams.window(k)
    for rank in range(world):
        part = streams.shard(rank, world)
        assert len(part) == len(streams)
        assert (part.window(k).x == x[:, rank::world]).all()
        assert (part.window(k).y == y[:, rank::world]).all()
        assert part.window(k).is_start == is_start


def test_a_shard_can_be_sharded_again():
    streams = make((8, 3, 0))
    assert (streams.shard(1, 2).shard(1, 2).window(0).x == streams.window(0).x[:, 3::4]).all()


def test_a_process_without_a_stream_is_refused():
    with pytest.raises(ConfigError) as caught:
        make((2, 3, 0)).shard(2, 3)
    assert str(caught.value) == (
        "Streams.shard: batch_size is 2, expected at least 3, one stream for each process. "
        "Raise batch_size, or start fewer processes."
    )


def test_windows_of_a_mapped_sequence_are_views_of_the_file(tmp_path: Path):
    Ragged.of([np.arange(30), np.arange(30, 50)]).save(tmp_path / "ids")
    mapped = Ragged.open(tmp_path / "ids").values
    window, expected = Streams(mapped, 2, 8).window(1), Streams(np.arange(50), 2, 8).window(1)
    assert isinstance(window.x, np.memmap)
    assert np.shares_memory(window.x, mapped)
    assert (window.x == expected.x).all()
    assert (window.y == expected.y).all()
