from pathlib import Path

import numpy as np
import pytest

from carrousel.data.vectors import read_vectors
from carrousel.errors import DataError

pytestmark = pytest.mark.tiny


def written(folder: Path, text: str, name: str = "v.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("head", ["", "3 2\n"])
def test_glove_and_word2vec_text_say_the_same(tmp_path: Path, head: str) -> None:
    vectors = read_vectors(written(tmp_path, head + "the 1 2\n. . 3 4e-1 \nthe 9 9\nÖl\t-1\t0\n"))
    assert vectors.rows == {"the": 0, ". .": 1, "Öl": 2}
    np.testing.assert_array_equal(vectors.values, np.array([[1, 2], [3, 0.4], [-1, 0]], np.float32))
    assert vectors.values.dtype == np.float32


def test_only_wanted_words_are_kept_and_only_so_many(tmp_path: Path) -> None:
    path = written(tmp_path, "a 1 2\nb x y\nc 3 4\nd 5 6\n")
    vectors = read_vectors(path, is_wanted=lambda word: word != "b", max_words=2)
    assert list(vectors.rows) == ["a", "c"]


def test_a_word_is_found_by_its_lower_case_form_too(tmp_path: Path) -> None:
    vectors = read_vectors(written(tmp_path, "the 1 2\nThe 3 4\nhouse 5 6\n"))
    found = [vectors.get(word) for word in ("The", "THE", "House", "tree")]
    assert [None if vector is None else vector.tolist() for vector in found] == [[3, 4], [1, 2], [5, 6], None]


def test_an_array_with_its_words_beside_it(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(6, dtype=np.float64).reshape(3, 2))
    written(tmp_path, "a\nb\nc\n", "v.words")
    vectors = read_vectors(tmp_path / "v.npy", is_wanted=lambda word: word != "a")
    assert vectors.rows == {"b": 0, "c": 1}
    assert vectors.values.tolist() == [[2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a 1 2\nb 1\n", "line 2 has 1 numbers, expected a word and 2 numbers."),
        ("a 1 2\nb 1 x\n", "line 2 has 'x' among its numbers, expected finite numbers after the word."),
        ("a 1 2\nb 1 nan\n", "line 2 has 'nan' among its numbers, expected finite numbers after the word."),
        ("a\n", "line 1 has 0 numbers, expected a word and 1 numbers."),
    ],
)
def test_a_malformed_line_is_named_or_skipped(tmp_path: Path, text: str, what: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_vectors(path)
    assert str(caught.value) == (
        f"read_vectors: {path}, {what} Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    if text != "a\n":
        vectors = read_vectors(path, skip_bad=True)
        assert list(vectors.rows) == ["a"]
        assert vectors.faults.skipped == 1


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path, array = written(tmp_path, "a 1 2\n"), tmp_path / "v.npy"
    cases = {
        f"read_vectors: {path} has a vector for none of the words wanted, expected some. Check its language, or whether its words "
        "are in lower case.": lambda: read_vectors(path, is_wanted=lambda word: False),
        f"read_vectors: {tmp_path}/no.vec does not exist, expected word vectors as UTF-8 text (GloVe, word2vec .vec) or .npy. "
        "Check the path.": lambda: read_vectors(tmp_path / "no.vec"),
    }
    for message, call in cases.items():
        with pytest.raises(DataError) as caught:
            call()
        assert str(caught.value) == message
    np.save(array, np.zeros(3, np.float32))
    with pytest.raises(DataError) as caught:
        read_vectors(array)
    assert str(caught.value) == (
        f"read_vectors: {array} is float32 of shape (3,), expected floating point (words, features). Save the matrix of vectors."
    )
    np.save(array, np.zeros((3, 2), np.float32))
    words = written(tmp_path, "a\nb\n", "v.words")
    with pytest.raises(DataError) as caught:
        read_vectors(array)
    assert str(caught.value) == (
        f"read_vectors: {words} has 2 words, expected 3, as many as {array} has rows. Make both from the same vectors."
    )
    np.save(array, np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError) as caught:
        read_vectors(array)
    assert str(caught.value) == (
        f"read_vectors: {array} is no array without pickle (Array can't be memory-mapped: Python objects in dtype.), expected "
        "(words, features). Save it with numpy.save."
    )
