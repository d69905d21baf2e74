"""Spans against cases made by hand, and against conlleval's own loop."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.conlleval import conlleval

from carrousel.errors import ConfigError
from carrousel.models.spans import (
    SCHEMES,
    Span,
    SpanCounts,
    all_types,
    are_spans,
    convert,
    count_spans,
    spans_of,
    write_spans,
)

pytestmark = pytest.mark.tiny

few = settings(deadline=None, max_examples=200)
TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in "xy")]
sentences = st.lists(st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=8), max_size=4)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-x I-x O B-y", [(0, 2, "x"), (3, 4, "y")]),
        ("I-x I-x", [(0, 2, "x")]),  # I- after nothing begins a span
        ("O I-x", [(1, 2, "x")]),
        ("B-x I-y", [(0, 1, "x"), (1, 2, "y")]),  # I- after another type begins a span
        ("I-x B-x I-x", [(0, 1, "x"), (1, 3, "x")]),  # IOB1: B- between two touching spans
        ("B-x B-x", [(0, 1, "x"), (1, 2, "x")]),
        ("B-x E-x S-x", [(0, 2, "x"), (2, 3, "x")]),
        ("S-x I-x", [(0, 1, "x"), (1, 2, "x")]),
        ("E-x E-x", [(0, 1, "x"), (1, 2, "x")]),
        ("B-x I-x S-x E-x", [(0, 2, "x"), (2, 3, "x"), (3, 4, "x")]),
        ("B-x E-x B-x", [(0, 2, "x"), (2, 3, "x")]),  # the Perl script sees one span less
        ("B I O B", [(0, 2, ""), (3, 4, "")]),
        ("B-x-y I-x-y", [(0, 2, "x-y")]),  # the first dash separates
    ],
)
def test_spans_by_hand(tags: str, expected: list[tuple[int, int, str]]) -> None:
    assert spans_of(tags.split()) == [Span(*span) for span in expected]


@few
@given(sentences)
def test_counts_are_those_of_conlleval(both: list[list[tuple[str, str]]]) -> None:
    counts = count_spans([[e for e, _ in s] for s in both], [[p for _, p in s] for s in both])
    right, there, said, _, _ = conlleval(both)
    assert counts == {name: SpanCounts(there[name], said[name], right[name]) for name in sorted({*there, *said})}


def test_figures_by_hand() -> None:
    counts = count_spans([["B-x", "I-x", "O", "B-y", "B-x"]], [["B-x", "I-x", "O", "B-x", "O"]])
    assert counts == {"x": SpanCounts(2, 2, 1), "y": SpanCounts(1, 0, 0)}
    total = all_types(counts)
    assert (total.precision, total.recall, total.f1) == (1 / 2, 1 / 3, 2 / 5)
    assert (counts["y"].precision, counts["y"].recall, counts["y"].f1) == (0, 0, 0)
    assert SpanCounts().f1 == 0


spans_apart = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from("xy")), max_size=5)


@few
@given(spans_apart, st.sampled_from(SCHEMES), st.sampled_from(SCHEMES))
def test_every_scheme_says_the_same_spans(sizes: list[tuple[int, int, str]], first: str, second: str) -> None:
    spans, at = list[Span](), 0
    for gap, size, name in sizes:
        spans.append(Span(at + gap, at + gap + size, name))
        at += gap + size
    tags = write_spans(spans, at, first)
    assert spans_of(tags) == spans
    assert convert(convert(tags, second), first) == tags


def test_schemes_by_hand() -> None:
    tags = ["I-x", "I-x", "B-x", "O", "I-y"]
    assert convert(tags, "bio") == ["B-x", "I-x", "B-x", "O", "B-y"]
    assert convert(tags, "iobes") == ["B-x", "E-x", "S-x", "O", "S-y"]
    assert convert(tags, "iob1") == tags


def test_what_looks_like_spans() -> None:
    assert are_spans(["O", "B-x", "I-x", "S-long-type"])
    assert not are_spans(["O", "B-x", "B-"])
    assert not are_spans(["NOUN", "O"])


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        write_spans([], 1, "iob")
    assert str(caught.value) == "write_spans: scheme is 'iob', expected one of bio, iob1, iobes. Did you mean 'iob1'?"
