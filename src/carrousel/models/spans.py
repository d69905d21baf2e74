"""Spans written as tags (IOB1, BIO, IOBES): found, counted, and written in another scheme.

Tags are read as conlleval reads them, whatever their scheme and however they break its rules. A span begins

- at B- and S-,
- at I- and E- after O, after E- and S-, and at the beginning of a sentence,
- where the type is another than that of the tag before,

and ends before O, before the next span, and after E- and S-. A tag without a dash has the empty type; one with a prefix that is
none of B, I, E, S goes on with a span of its type.

Source: Tjong Kim Sang and Buchholz, conlleval of the CoNLL-2000 shared task.
Differs: the script does not know S- and misses a B- after an E- of the same type.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from carrousel.errors import ConfigError, nearest

SCHEMES = ("bio", "iob1", "iobes")


class Span(NamedTuple):
    """Words start .. end - 1 of a sentence, as one thing of a type."""

    start: int
    end: int
    type: str


@dataclass(frozen=True)
class SpanCounts:
    """How many spans there are, how many were predicted, and how many of these have start, end and type right."""

    expected: int = 0
    predicted: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """The right ones among those predicted; 0 where none was."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The right ones among those expected; 0 where there are none."""
        return self.right / self.expected if self.expected else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 where none is right."""
        return 2 * self.right / (self.expected + self.predicted) if self.right else 0.0


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans of one sentence, in order.

    >>> spans_of(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])
    [Span(start=0, end=2, type='PER'), Span(start=3, end=4, type='LOC'), Span(start=4, end=5, type='LOC')]
    """
    found: list[Span] = []
    start, before, old = 0, "O", ""
    for t, tag in enumerate([*tags, "O"]):
        prefix, _, new = tag.partition("-")
        begins = prefix in ("B", "S") or (prefix in ("I", "E") and before in ("O", "E", "S")) or new != old
        if before != "O" and (begins or prefix == "O" or before in ("E", "S")):
            found.append(Span(start, t, old))
        if prefix != "O" and (begins or before == "O"):
            start = t
        before, old = prefix, new
    return found


def are_spans(labels: Iterable[str]) -> bool:
    """Whether labels look like tags of spans: all are O or PREFIX-TYPE with a prefix of B, I, E, S, and not all are O.

    >>> are_spans(["O", "B-PER"]), are_spans(["NOUN", "VERB"]), are_spans(["O"])
    (True, False, False)
    """
    others = {label for label in labels if label != "O"}
    return bool(others) and all(label[:2] in ("B-", "I-", "E-", "S-") and len(label) > 2 for label in others)


def count_spans(expected: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> dict[str, SpanCounts]:
    """The counts of each type, types in alphabetical order, over all sentences.

    >>> counts = count_spans([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "O", "O", "B-LOC"]])
    >>> counts["LOC"].f1, counts["PER"].f1, all_types(counts).f1
    (1.0, 0.0, 0.5)
    """
    there, said, right = Counter[str](), Counter[str](), Counter[str]()
    for true_tags, tags in zip(expected, predicted, strict=True):
        true_spans, spans = spans_of(true_tags), spans_of(tags)
        there.update(span.type for span in true_spans)
        said.update(span.type for span in spans)
        right.update(span.type for span in set(true_spans) & set(spans))
    return {name: SpanCounts(there[name], said[name], right[name]) for name in sorted({*there, *said})}


def added(first: Mapping[str, SpanCounts], second: Mapping[str, SpanCounts]) -> dict[str, SpanCounts]:
    """The counts of two sets of sentences together, types in alphabetical order."""
    pairs = {
        name: (first.get(name, SpanCounts()), second.get(name, SpanCounts())) for name in sorted({*first, *second})
    }
    return {
        name: SpanCounts(a.expected + b.expected, a.predicted + b.predicted, a.right + b.right)
        for name, (a, b) in pairs.items()
    }


def all_types(counts: Mapping[str, SpanCounts]) -> SpanCounts:
    """The counts of all types together, from which conlleval's overall figures come."""
    return SpanCounts(
        sum(count.expected for count in counts.values()),
        sum(count.predicted for count in counts.values()),
        sum(count.right for count in counts.values()),
    )


def write_spans(spans: Iterable[Span], length: int, scheme: str) -> list[str]:
    """The tags of a sentence in a scheme; spans do not overlap.

    Raises:
        ConfigError: an unknown scheme.

    >>> write_spans([Span(0, 2, "PER"), Span(3, 4, "LOC")], 4, "iobes")
    ['B-PER', 'E-PER', 'O', 'S-LOC']
    """
    if scheme not in SCHEMES:
        raise ConfigError(
            f"write_spans: scheme is {scheme!r}, expected one of {', '.join(SCHEMES)}.{nearest(scheme, SCHEMES)}"
        )
    tags, last = ["O"] * length, Span(0, -1, "")
    for span in sorted(spans):
        size = span.end - span.start
        prefixes = ["B"] + ["I"] * (size - 1)
        if scheme == "iobes":
            prefixes = ["S"] if size == 1 else [*prefixes[:-1], "E"]
        elif scheme == "iob1" and (last.end, last.type) != (span.start, span.type):
            prefixes[0] = "I"
        tags[span.start : span.end] = [f"{prefix}-{span.type}" for prefix in prefixes]
        last = span
    return tags


def convert(tags: Sequence[str], scheme: str) -> list[str]:
    """The same spans in another scheme.

    >>> convert(["I-PER", "I-PER", "O", "I-LOC"], "bio")
    ['B-PER', 'I-PER', 'O', 'B-LOC']
    """
    return write_spans(spans_of(tags), len(tags), scheme)
