"""The n-gram models and xz: what a language model has to beat."""

import math
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.data import NGram, baselines, read_corpus, xz_bits_per_character
from carrousel.errors import ConfigError

ids_of_four = st.lists(st.integers(0, 3), max_size=30)
orders = st.integers(1, 5)


def fit(ids: list[int], order: int, num_symbols: int) -> NGram:
    return NGram.fit(np.array(ids, np.uint8), order, num_symbols)


def witten_bell(train: list[int], context: list[int], symbol: int, num_symbols: int) -> float:
    """P(symbol | context) as the module's equations say it, by counting in a list."""
    n = len(context) + 1
    after = Counter(train[i + n - 1] for i in range(len(train) - n + 1) if train[i : i + n - 1] == context)
    shorter = witten_bell(train, context[1:], symbol, num_symbols) if context else 1 / num_symbols
    if not after:
        return shorter
    return (after[symbol] + len(after) * shorter) / (after.total() + len(after))


@pytest.mark.tiny
@given(ids_of_four, ids_of_four.filter(bool), orders)
def test_probabilities_equal_the_equations(train: list[int], valid: list[int], order: int):
    expected = [witten_bell(train, valid[max(0, i - order + 1) : i], valid[i], 5) for i in range(len(valid))]
    np.testing.assert_allclose(fit(train, order, 5).probabilities(np.array(valid)), expected, rtol=1e-12)


@pytest.mark.tiny
@given(ids_of_four, st.lists(st.integers(0, 4), max_size=8), orders)
def test_probabilities_sum_to_one_after_any_context(train: list[int], context: list[int], order: int):
    p = fit(train, order, 5).distribution(np.array(context, np.int64))
    assert p.shape == (5,)
    assert (p > 0).all()
    assert p.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.tiny
def test_a_bigram_model_worked_by_hand():
    # Of 0 1 0 1 0 2: n(0) = 3, n(1) = 2, n(2) = 1, d = 3, so P = 4/9, 3/9, 2/9. After 0 come 1, 1, 2: n = 3, d = 2.
    p = fit([0, 1, 0, 1, 0, 2], order=2, num_symbols=3).distribution(np.array([0]))
    np.testing.assert_allclose(p, [(0 + 2 * 4 / 9) / 5, (2 + 2 * 3 / 9) / 5, (1 + 2 * 2 / 9) / 5], rtol=1e-15)


@pytest.mark.tiny
def test_order_one_needs_the_entropy_of_the_counts():
    ids = [0] * 4000 + [1] * 2000 + [2] * 1000 + [3] * 1000
    # 1.75 bits: probabilities 1/2, 1/4, 1/8, 1/8; the interpolation with 1/4 moves them by less than 3e-4.
    assert fit(ids, 1, 4).bits_per_symbol(np.array(ids)) == pytest.approx(1.75, abs=1e-6)


@pytest.mark.tiny
def test_a_lower_order_comes_with_the_model_of_a_higher():
    ids = np.random.default_rng(0).integers(4, size=200)
    np.testing.assert_array_equal(
        NGram.fit(ids, 5, 4).up_to(2).probabilities(ids), NGram.fit(ids, 2, 4).probabilities(ids)
    )


@pytest.mark.tiny
def test_rows_of_a_batch_do_not_see_each_other():
    ids = np.random.default_rng(0).integers(4, size=(3, 50))
    model = NGram.fit(ids.ravel(), 4, 4)
    np.testing.assert_array_equal(model.probabilities(ids), np.stack([model.probabilities(row) for row in ids]))


@pytest.mark.tiny
def test_large_alphabets_do_not_overflow():
    # 2^20 symbols: a 5-gram packed into bits would need 100 of them.
    ids = np.arange(2**20 - 8, 2**20, dtype=np.int32)
    assert NGram.fit(ids, 5, 2**20).probabilities(ids)[-1] == pytest.approx(15 / 16, abs=0.01)


@pytest.mark.tiny
def test_characters_not_in_the_training_text_are_one_symbol():
    # Symbols a, b and unknown: n = 4, d = 2, so P(unknown) = (0 + 2/3) / 6 = 1/9.
    assert baselines("abab", "xyzé")["unigram"] == pytest.approx(math.log2(9))


@pytest.mark.tiny
def test_a_uniform_model_counts_the_unknown_symbol():
    assert baselines("abc", "a")["uniform"] == 2


@pytest.mark.tiny
def test_an_empty_text_is_refused():
    with pytest.raises(ConfigError) as caught:
        baselines("abc", "")
    assert str(caught.value) == (
        "NGram: ids has 0 symbols, expected at least 1. Give a held-out text that is not empty."
    )


@pytest.mark.tiny
def test_an_order_below_one_is_refused():
    with pytest.raises(ConfigError) as caught:
        fit([0], 0, 1)
    assert str(caught.value) == "NGram.fit: order is 0, expected at least 1. Use 1 for a unigram model."


@pytest.mark.skipif(shutil.which("xz") is None, reason="no xz command on this machine")
def test_xz_agrees_with_the_command(tmp_path: Path):
    text = read_corpus("shakespeare").valid
    (tmp_path / "valid.txt").write_text(text)
    packed = subprocess.run(["xz", "-9", "--stdout", tmp_path / "valid.txt"], check=True, capture_output=True).stdout
    # Versions of the command differ in a few bytes of header.
    assert xz_bits_per_character(text) == pytest.approx(8 * len(packed) / len(text), abs=0.001)


def test_the_baselines_of_the_plays_are_where_such_text_is():
    # Measured with this code. Known before, for such plays: a trigram 2.98, a 5-gram 2.51, xz 2.6 to 2.9.
    corpus = read_corpus("shakespeare")
    assert baselines(corpus.train, corpus.valid) == {
        "uniform": pytest.approx(math.log2(78)),
        "unigram": pytest.approx(4.8250, abs=5e-4),
        "trigram": pytest.approx(2.9882, abs=5e-4),
        "5-gram": pytest.approx(2.4234, abs=5e-4),
        "xz": pytest.approx(2.798, abs=5e-3),
    }
