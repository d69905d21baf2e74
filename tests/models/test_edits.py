"""Edit distance, error rates and BLEU, against definitions by enumeration and worked examples."""

import math
import re
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrousel.errors import DataError
from carrousel.models.edits import bleu, edit_distance, error_rate, exact_match

WORDS = st.text("abc", max_size=6)


def by_recursion(a: str, b: str) -> int:
    """The definition: the best of the three last edits."""

    @cache
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, distance(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return distance(len(a), len(b))


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("saturday", "sunday", 3), ("ab", "ba", 2)],
)
def test_known_distances(a: str, b: str, expected: int) -> None:
    assert edit_distance(a, b) == edit_distance(b, a) == expected


@given(a=WORDS, b=WORDS, c=WORDS)
@settings(max_examples=200, deadline=None)
def test_the_distance_is_the_definitions_and_a_metric(a: str, b: str, c: str) -> None:
    assert edit_distance(a, b) == by_recursion(a, b)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)


@pytest.mark.tiny
def test_the_nearest_reference_counts_and_the_longest_of_several_as_near() -> None:
    assert error_rate([["K", "AE", "T"]], [[["K", "AA", "T"], ["D", "AO", "G", "Z"]]]) == 1 / 3
    assert error_rate(["ab"], [["a", "abc"]]) == 1 / 3  # one edit either way
    assert error_rate(["ab", "xyz"], [["ab"], ["x"]]) == 2 / 3  # edits of all over units of all


@pytest.mark.tiny
def test_exact_match_takes_any_reference_and_any_kind_of_sequence() -> None:
    assert exact_match([["a", "b"], ("c",), ["d"]], [[["x"], ("a", "b")], [["c"]], [["e"]]]) == 2 / 3


# The two candidates and three references of the paper's first example; its 17/18 and 8/14 are the modified unigram precisions.
CANDIDATES = (
    "it is a guide to action which ensures that the military always obeys the commands of the party",
    "it is to insure the troops forever hearing the activity guidebook that party direct",
)
REFERENCES = (
    "it is a guide to action that ensures that the military will forever heed party commands",
    "it is the guiding principle which guarantees the military forces always being under the command of the party",
    "it is the practical guide for the army always to heed the directions of the party",
)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("candidate", "order", "precision"), [(0, 1, 17 / 18), (1, 1, 8 / 14), (0, 2, 10 / 17), (1, 2, 1 / 13)]
)
def test_the_papers_first_example(candidate: int, order: int, precision: float) -> None:
    words = [CANDIDATES[candidate].split()]
    references = [[reference.split() for reference in REFERENCES]]
    penalty = 1 if len(words[0]) == 18 else math.exp(1 - 16 / 14)  # references of 16, 18 and 16 words
    unigrams = 17 / 18 if candidate == 0 else 8 / 14
    expected = precision if order == 1 else math.sqrt(unigrams * precision)
    assert bleu(words, references, order) == pytest.approx(penalty * expected, abs=1e-12)


@pytest.mark.tiny
def test_repeating_a_word_does_not_pay() -> None:
    references = [[text.split() for text in ("the cat is on the mat", "there is a cat on the mat")]]
    assert bleu([["the"] * 7], references, order=1) == pytest.approx(2 / 7, abs=1e-12)


@pytest.mark.tiny
def test_perfect_is_1_and_no_common_four_words_are_0() -> None:
    assert bleu([list("abcde")], [[list("abcde")]]) == 1
    assert bleu([list("abcxabc")], [[list("abcyabc")]]) == 0
    assert bleu([list("abc")], [[list("abc")]]) == 0  # no n-gram of four in it


@pytest.mark.tiny
@pytest.mark.parametrize("measure", [error_rate, exact_match, bleu])
def test_every_sequence_needs_references(measure: Callable[..., float]) -> None:
    name = measure.__name__
    message = (
        f"{name}: 1 sequences with 0 lists of references, expected at least 1 and as many. Give one list of references for each "
        "sequence."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        measure(["a"], [])
    with pytest.raises(DataError, match=f"^{name}: 0 sequences with 0 lists"):
        measure([], [])
    message = f"{name}: sequence 1 has no reference, expected at least 1. Leave the sequence out."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        measure(["a", "b"], [["a"], []])


@pytest.mark.tiny
def test_empty_references_alone_give_no_rate() -> None:
    message = "error_rate: all references are empty, expected units to count errors by. Check the references."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        error_rate(["a"], [[""]])
