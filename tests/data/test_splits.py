"""What is held out: each row is in one part."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data.splits import Rows, a_tenth, a_tenth_of_each, a_tenth_of_keys

pytestmark = pytest.mark.tiny

labels = st.lists(st.sampled_from("abc"), min_size=2, max_size=60)


def is_whole(rows: Rows, num_rows: int) -> bool:
    return sorted(np.concatenate(rows).tolist()) == list(range(num_rows)) and len(rows[1]) > 0


@given(st.integers(1, 99), st.integers(0, 3))
def test_a_tenth_is_held_out(num_rows: int, seed: int):
    rows = a_tenth(num_rows, seed)
    assert is_whole(rows, num_rows)
    assert len(rows[1]) == max(1, num_rows // 10)


@given(labels, st.integers(0, 3))
def test_each_label_is_held_out_in_like_parts(given_labels: list[str], seed: int):
    rows = a_tenth_of_each(given_labels, seed)
    assert is_whole(rows, len(given_labels))
    held_out: Counter[str] = Counter(np.array(given_labels)[rows[1]].tolist())
    for label, count in Counter(given_labels).items():
        assert abs(held_out[label] - count / 10) <= 1


@given(labels, st.integers(0, 3))
def test_rows_of_one_key_stay_together(keys: list[str], seed: int):
    rows = a_tenth_of_keys(keys, seed)
    assert is_whole(rows, len(keys))
    assert len(set(keys)) == 1 or not {keys[k] for k in rows[0]} & {keys[k] for k in rows[1]}


def test_the_rows_are_always_the_same():
    """Figures that were published are of these rows."""
    names = [("a", "a b", "c")[k % 3] for k in range(45)]
    found = [rows[1].tolist() for rows in (a_tenth(45, 3), a_tenth_of_each(names, 3), a_tenth_of_keys(range(23), 3))]
    assert found == [[18, 21, 23, 44], [0, 2, 4, 13], [9, 17]]
