"""Characters to ids and back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data import CharVocabulary
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny

any_text = st.text(st.characters())  # includes lone surrogates, as a command line can


@given(any_text)
def test_a_text_comes_back_from_its_ids(text: str):
    vocabulary = CharVocabulary.of(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(any_text, any_text)
def test_unknown_characters_are_counted_and_never_fatal(known: str, text: str):
    vocabulary = CharVocabulary.of(known)
    ids = vocabulary.encode(text)
    assert int((ids == vocabulary.unknown).sum()) == sum(vocabulary.unknown_in(text).values())
    assert vocabulary.decode(ids) == "".join(c if c in known else "\ufffd" for c in text)


@given(any_text)
def test_a_vocabulary_survives_json(text: str):
    vocabulary = CharVocabulary.of(text)
    assert CharVocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary


def test_ids_follow_the_order_of_code_points():
    vocabulary = CharVocabulary.of("héa\n")
    assert vocabulary.characters == "\nahé"
    assert vocabulary.encode("\nahéx").tolist() == [0, 1, 2, 3, 4]
    assert len(vocabulary) == 5


@pytest.mark.parametrize(
    ("num_characters", "dtype"), [(255, np.uint8), (256, np.int16), (32767, np.int16), (32768, np.int32)]
)
def test_ids_take_the_smallest_type_that_holds_the_unknown_one(num_characters: int, dtype: type[np.integer]):
    vocabulary = CharVocabulary("".join(map(chr, range(num_characters))))
    ids = vocabulary.encode("\U0010ffff")
    assert ids.dtype == dtype
    assert ids.tolist() == [num_characters]


@pytest.mark.parametrize("characters", ["ba", "aa"])
def test_unsorted_or_repeated_characters_are_refused(characters: str):
    with pytest.raises(DataError) as caught:
        CharVocabulary(characters)
    assert str(caught.value) == (
        f"CharVocabulary: characters is '{characters}', expected each character once, in code point order. "
        "Use CharVocabulary.of(text)."
    )
