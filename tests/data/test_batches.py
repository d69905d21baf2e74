"""Batches by length: every row once an epoch, resumed anywhere, shared among processes; and padding."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data import Bucketed, pad
from carrousel.data.batches import BatchesOf
from carrousel.errors import ConfigError

pytestmark = pytest.mark.tiny

lengths = st.lists(st.integers(0, 30), min_size=1, max_size=40).map(np.array)
sizes = st.integers(1, 9)
seeds = st.one_of(st.none(), st.integers(0, 3))


def epoch(batches: Bucketed) -> list[list[int]]:
    return [batches.next().tolist() for _ in range(len(batches))]


@given(lengths, sizes, seeds, st.integers(1, 4))
def test_each_epoch_has_every_row_once(steps: np.ndarray, size: int, seed: int | None, buckets: int):
    batches = Bucketed(steps, size, seed, buckets=buckets)
    for _ in range(3):
        rows = epoch(batches)
        assert sorted(chain(*rows)) == list(range(len(steps)))
        assert sorted(map(len, rows))[1:] == [size] * (len(batches) - 1)


@given(lengths, sizes, st.integers(0, 3))
def test_without_the_last_all_batches_are_full(steps: np.ndarray, size: int, seed: int):
    if len(steps) < size:
        return
    batches = Bucketed(steps, size, seed, drop_last=True)
    rows = epoch(batches)
    assert [len(batch) for batch in rows] == [size] * (len(steps) // size)
    assert len(set(chain(*rows))) == size * len(rows)


@given(lengths, sizes, seeds, st.integers(0, 30))
def test_a_run_that_goes_on_sees_what_one_that_never_stopped_sees(
    steps: np.ndarray, size: int, seed: int | None, position: int
):
    one, other = Bucketed(steps, size, seed, buckets=2), Bucketed(steps, size, seed, buckets=2)
    for _ in range(position):
        one.next()
    assert one.state_dict() == {"position": position}
    other.load_state_dict(one.state_dict())
    assert epoch(one) == epoch(other)


@given(lengths, sizes, seeds, st.integers(1, 4))
def test_processes_share_the_batches_of_one(steps: np.ndarray, size: int, seed: int | None, world: int):
    one = Bucketed(steps, size, seed)
    shards = [Bucketed(steps, size, seed).shard(rank, world) for rank in range(world)]
    for _ in range(2 * len(one)):
        batch = one.next().tolist()
        assert [shard.next().tolist() for shard in shards] == [batch[rank::world] for rank in range(world)]


def test_a_shard_goes_on_where_it_was_made_and_can_be_sharded_again():
    steps = np.arange(40)
    one = Bucketed(steps, 8)
    one.next()
    part = one.shard(1, 2).shard(0, 2)
    assert part.next().tolist() == one.next().tolist()[1::4]


def test_batches_hold_rows_of_like_length():
    steps = np.random.default_rng(0).integers(1, 1000, 6400)
    batches = Bucketed(steps, 32, buckets=50)
    spread = [np.ptp(steps[batches.next()]) for _ in range(len(batches))]
    assert np.mean(spread) < 1000 / 50 * 1.1
    assert 0.9 < batches.padding_saved < 1


def test_the_padding_saved_is_counted_exactly():
    # In order of length: (1 1) (9 9), no padding. In the random order of seed 0 a batch mixes both.
    steps = np.array([1, 1, 9, 9])
    order = np.random.default_rng((0, 0)).permutation(4)
    assert {steps[order[:2]].sum(), steps[order[2:]].sum()} == {10}
    assert Bucketed(steps, 2).padding_saved == 1
    assert Bucketed(steps, 2, None).padding_saved == 1
    assert Bucketed(steps, 2, buckets=1).padding_saved == 0
    assert Bucketed(np.array([5, 5, 5]), 2).padding_saved == 0


def test_epochs_differ_and_seeds_differ():
    batches = Bucketed(np.zeros(64, int), 4)
    first, second = epoch(batches), epoch(batches)
    assert first != second
    assert first != epoch(Bucketed(np.zeros(64, int), 4, 1))
    assert first == epoch(Bucketed(np.zeros(64, int), 4, 0))


@pytest.mark.parametrize(("name", "arguments"), [("batch_size", (0, 1)), ("buckets", (1, -2))])
def test_sizes_below_one_are_refused(name: str, arguments: tuple[int, int]):
    size, buckets = arguments
    with pytest.raises(ConfigError) as caught:
        Bucketed(np.zeros(3, int), size, buckets=buckets)
    assert str(caught.value) == (f"Bucketed: {name} is {min(arguments)}, expected at least 1. Give a positive {name}.")


def test_data_without_a_batch_is_refused():
    with pytest.raises(ConfigError) as caught:
        Bucketed(np.zeros(0, int), 4)
    assert str(caught.value) == "Bucketed: lengths has 0 rows, expected at least 1. Give more data."
    with pytest.raises(ConfigError) as caught:
        Bucketed(np.zeros(3, int), 4, drop_last=True)
    assert str(caught.value) == (
        "Bucketed: lengths has 3 rows, expected at least 4. Give more data, or lower batch_size."
    )


def test_a_process_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError) as caught:
        Bucketed(np.zeros(3, int), 4).shard(2, 2)
    assert str(caught.value) == (
        "Bucketed.shard: rank is 2 of 2 processes, expected 0 to 1. Give the number of this process."
    )


def test_batches_are_built_from_their_rows_and_numbers_and_go_on_where_they_stopped():
    one, other = (BatchesOf(Bucketed(np.arange(7), 3), lambda rows, number: (number, rows.tolist())) for _ in range(2))
    found = [batch for batch in (one.next() for _ in range(5)) if batch is not None]
    assert len(one) == 3
    assert [number for number, _ in found] == [0, 1, 2, 3, 4]
    assert sorted(row for _, rows in found[:3] for row in rows) == list(range(7))
    other.load_state_dict(one.state_dict())
    assert other.next() == one.next()


def test_a_process_without_a_row_of_a_batch_gets_none():
    parts = [
        BatchesOf(Bucketed(np.array([5, 4, 3]), 2, None), lambda rows, _: rows).shard(rank, 2) for rank in range(2)
    ]
    found = [[None if rows is None else rows.tolist() for rows in (part.next(), part.next())] for part in parts]
    assert found == [[[2], [0]], [[1], None]]


@given(st.lists(st.lists(st.integers(-9, 9), max_size=5), min_size=1, max_size=5))
def test_padding_keeps_every_sequence(rows: list[list[int]]):
    batch, found = pad([np.array(row, int) for row in rows], -1)
    assert batch.shape == (max(map(len, rows)), len(rows))
    assert found.tolist() == list(map(len, rows))
    for b, row in enumerate(rows):
        assert batch[:, b].tolist() == row + [-1] * (len(batch) - len(row))


def test_padding_keeps_features_and_types():
    batch, found = pad([np.zeros((2, 3), np.float32), np.ones((1, 3), np.float32)])
    assert (batch.shape, batch.dtype, found.tolist()) == ((2, 2, 3), np.float32, [2, 1])


def test_nothing_cannot_be_padded():
    with pytest.raises(ConfigError) as caught:
        pad([])
    assert str(caught.value) == (
        "pad: sequences is empty, expected at least 1 array. Use Ragged.padded for batches without rows."
    )
