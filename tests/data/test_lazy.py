"""Sequences that are made when they are asked for."""

from pathlib import Path

import numpy as np
import pytest

from carrousel.data import Ragged, RaggedWriter
from carrousel.data.lazy import Chosen, Made, Strings, write_strings

pytestmark = pytest.mark.tiny


def test_nothing_is_made_before_it_is_asked_for() -> None:
    asked: list[int] = []

    def make(item: int) -> int:
        asked.append(item)
        return item * 10

    made = Chosen(Made([1, 2, 3], make), np.array([2, 0]))
    assert (len(made), asked) == (2, [])
    assert (made[0], made[-1], asked) == (30, 10, [3, 1])
    assert (list(made), made[1:], Made([1, 2, 3], make)[::-1]) == ([30, 10], [10], [30, 20, 10])
    assert Made(Ragged.of([np.array([1, 2]), np.array([3])]), len)[0] == 2
    with pytest.raises(IndexError):
        made[2]


def test_strings_come_back_from_the_disk_whatever_they_are(tmp_path: Path) -> None:
    given = [("a", ""), ("naïve\n\0", "\ud800"), ("", "日本")]
    with RaggedWriter(tmp_path / "x", np.uint8) as writer:
        for record in given:
            write_strings(writer, record)
    strings = Strings(Ragged.open(tmp_path / "x"), 2)
    assert isinstance(strings.encoded.values, np.memmap)
    assert (len(strings), list(strings), strings[-1], strings[:2]) == (3, given, given[2], given[:2])
    with pytest.raises(IndexError):
        strings[3]
