"""sacrebleu computes the corpus BLEU that ours does, where both take the same words and smooth nothing."""

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrousel.models.edits import bleu

pytest.importorskip("sacrebleu")
sacrebleu: Any = import_module("sacrebleu")

SENTENCES = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=9)


@given(rows=st.lists(st.tuples(SENTENCES, SENTENCES, SENTENCES), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_both_give_the_same_for_any_sentences_with_two_references(
    rows: list[tuple[list[str], list[str], list[str]]],
) -> None:
    peer = sacrebleu.BLEU(tokenize="none", smooth_method="none", force=True)
    lines = [[" ".join(sentence) for sentence in row] for row in rows]
    theirs = peer.corpus_score([one for one, _, _ in lines], [[row[k] for row in lines] for k in (1, 2)])
    ours = bleu([one for one, _, _ in rows], [[first, second] for _, first, second in rows])
    assert 100 * ours == pytest.approx(theirs.score, abs=1e-9)
