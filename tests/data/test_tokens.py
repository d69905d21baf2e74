"""Vocabularies of strings, open and closed."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data import Tokens
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny

words = st.lists(st.text(max_size=3), max_size=30)


@given(words)
def test_what_was_counted_is_decoded_as_it_was(strings: list[str]):
    for specials in ((), ("<unk>",)):
        tokens = Tokens.of(strings, specials=specials)
        assert tokens.decode(tokens.encode(strings)) == strings
        assert tokens.coverage([s for s in strings if s != "<unk>"]) == 1
        assert Tokens.from_dict(json.loads(json.dumps(tokens.to_dict()))) == tokens


@given(words)
def test_numbers_go_by_how_often_and_then_by_code_point(strings: list[str]):
    tokens = Tokens.of(strings, specials=())
    assert list(tokens.strings) == sorted(set(strings), key=lambda s: (-strings.count(s), s))


def test_rare_strings_and_those_past_the_largest_size_are_unknown():
    strings = ["a", "a", "a", "b", "b", "c"]
    assert Tokens.of(strings, min_count=2).strings == ("<unk>", "a", "b")
    assert Tokens.of(strings, max_size=2).strings == ("<unk>", "a")
    tokens = Tokens.of(strings, min_count=2, specials=("<pad>", "<unk>"))
    assert tokens.encode(["b", "c", "a"]).tolist() == [3, 1, 2]
    assert tokens.unknown == 1
    assert tokens.coverage(strings) == 5 / 6
    assert tokens.coverage([]) == 1
    assert tokens.unknown_in(["c", "d", "c", "a"]) == {"c": 2, "d": 1}
    assert "c" not in tokens
    assert len(tokens) == 4


def test_an_unknown_mark_in_the_text_is_not_coverage():
    assert Tokens.of(["a"]).coverage(["a", "<unk>"]) == 0.5


@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint8), (257, np.int16), (32768, np.int16), (32769, np.int32)])
def test_numbers_take_the_smallest_type_that_torch_has(size: int, dtype: type):
    assert Tokens(tuple(map(str, range(size)))).dtype == dtype


def test_a_closed_vocabulary_refuses_other_strings():
    labels = Tokens.of(["pos", "neg"], specials=())
    with pytest.raises(DataError) as caught:
        labels.encode(["pos", "nex"], where="evaluate: x.tsv, line 3")
    assert str(caught.value) == (
        "evaluate: x.tsv, line 3: 'nex' is not known, expected one of 'neg', 'pos'. Did you mean 'neg'? "
        "Correct it, or train on data that has it."
    )
    with pytest.raises(DataError) as caught:
        Tokens(tuple(map(str, range(100, 112)))).id("x")
    assert str(caught.value) == (
        "Tokens: 'x' is not known, expected one of '100', '101', '102', '103', '104', '105', '106', '107', '108', '109' "
        "and 2 more. Correct it, or train on data that has it."
    )


def test_a_string_twice_is_refused():
    with pytest.raises(DataError) as caught:
        Tokens(("a", "b", "a"))
    assert str(caught.value) == "Tokens: strings has 'a' more than once, expected each string once. Use Tokens.of."
