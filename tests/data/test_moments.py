"""Means, deviations and quantiles of blocks against NumPy on the whole, and values that are far from all others."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carrousel.data.far import Far, far_values
from carrousel.data.moments import moments, ordered, quantiles
from carrousel.data.stretches import Stretches

pytestmark = pytest.mark.tiny
NUMBERS = arrays(np.float64, st.integers(2, 40), elements=st.floats(-1e300, 1e300))


@given(numbers=NUMBERS, parts=st.integers(1, 7))
def test_the_number_at_each_place_is_that_of_the_sorted_ones(numbers: np.ndarray, parts: int) -> None:
    ranks = np.arange(len(numbers))[:: max(1, len(numbers) // 3)]
    found = ordered(lambda: iter(np.array_split(numbers, parts)), ranks)
    np.testing.assert_array_equal(found, np.sort(numbers)[ranks])


@given(numbers=arrays(np.float64, st.integers(2, 40), elements=st.floats(-1e6, 1e6)), parts=st.integers(1, 7))
def test_blocks_give_what_all_numbers_together_give(numbers: np.ndarray, parts: int) -> None:
    def blocks() -> Iterator[np.ndarray]:
        return iter(np.array_split(numbers, parts))

    levels = [0.0, 0.25, 0.5, 0.9, 1.0]
    np.testing.assert_allclose(quantiles(blocks, levels), np.quantile(numbers, levels), rtol=1e-12, atol=1e-9)
    mean, deviation = moments(blocks)
    np.testing.assert_allclose([mean, deviation], [numbers.mean(), numbers.std()], rtol=1e-12, atol=1e-9)
    if parts == 1:
        assert (float(mean), float(deviation)) == (numbers.mean(), numbers.std())


def far_of(*columns: np.ndarray) -> list[Far]:
    values = np.stack(columns, 1).astype(np.float32)
    whole = values.astype(np.float64)
    stretches = Stretches(values, np.array([0, 10]), np.array([10, len(values)]))
    return far_values(stretches, whole.mean(0).tolist(), whole.std(0).tolist())


def test_one_value_far_from_the_others_is_found_whatever_it_does_to_the_mean() -> None:
    rng = np.random.default_rng(0)
    for length in (40, 4_000):  # of 40 values none is 20 deviations from the mean of all
        quiet, loud = rng.normal(size=length), rng.normal(size=length)
        loud[17] = 1e30
        (found,) = far_of(quiet, loud)
        assert (found.column, found.number, found.step) == (1, 1, 17)
        assert found.value == pytest.approx(1e30)
        assert found.z == pytest.approx(1e30, rel=0.3)
    loud[[20, 30]] = -1e30
    assert far_of(loud)[0].number == 3


def test_nothing_is_said_of_few_or_equal_values() -> None:
    assert far_of(np.append(np.zeros(20), 1e30)) == []
    assert far_of(np.zeros(100)) == []
    assert far_of(np.append(np.zeros(100), 1.0)) == []  # a mark among zeros
