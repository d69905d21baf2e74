"""Malformed lines: named, or counted and reported."""

import pytest

from carrousel.data import Faults
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny


def test_the_first_malformed_line_is_an_error_that_names_it():
    with pytest.raises(DataError) as caught:
        Faults("train").add("x.tsv", 1234, "has 3 columns", "2")
    assert str(caught.value) == (
        "train: x.tsv, line 1,234 has 3 columns, expected 2. Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_a_fault_of_a_whole_file_names_no_line():
    with pytest.raises(DataError) as caught:
        Faults("train").add("x.npy", None, "holds Python objects", "numbers")
    assert str(caught.value) == (
        "train: x.npy holds Python objects, expected numbers. Correct the file, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


def test_skipped_lines_are_counted_and_the_first_of_them_named():
    faults = Faults("train", skip_bad=True)
    assert faults.report() == ""
    for line in range(1, 8):
        faults.add("x", line, "is bad", "good")
    assert faults.skipped == 7
    assert faults.report() == (
        "train: 7 malformed lines were skipped: x, line 1 is bad, expected good. x, line 2 is bad, expected good. "
        "x, line 3 is bad, expected good. x, line 4 is bad, expected good. x, line 5 is bad, expected good. And 2 more."
    )
