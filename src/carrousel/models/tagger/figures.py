"""How right tags are, and what a tagger is compared with."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from typing import NamedTuple

from carrousel.data.lazy import in_chunks
from carrousel.models.spans import SpanCounts, added, all_types, are_spans, count_spans
from carrousel.models.tagger.sentences import AT_ONCE, Sentences
from carrousel.train.kind import Example, Figures

NUM_EXAMPLES = 20
Tags = Sequence[Sequence[str]]


def figures_of(
    expected: Iterable[Sequence[str]],
    predicted: Iterable[Sequence[str]],
    *,
    has_spans: bool,
    is_by_type: bool = False,
) -> Figures:
    """Accuracy, and where tags write spans, precision, recall and F1 of whole spans as conlleval counts them.

    Args:
        expected, predicted: the tags of each sentence, of which a few are in memory at a time.
        is_by_type: F1 of each type, too, as `f1[PER]`.
    """
    num_words = num_right = 0
    counts: dict[str, SpanCounts] = {}
    for some in in_chunks(zip(expected, predicted, strict=True), AT_ONCE, lambda pair: len(pair[0])):
        pairs = [pair for row in some for pair in zip(*row, strict=True)]
        num_words, num_right = num_words + len(pairs), num_right + sum(tag == right for right, tag in pairs)
        if has_spans:
            counts = added(counts, count_spans(*zip(*some, strict=True)))
    accuracy = {"accuracy": num_right / max(num_words, 1)}
    if not has_spans:
        return accuracy
    total = all_types(counts)
    spans = {"f1": total.f1, "precision": total.precision, "recall": total.recall}
    by_type = {f"f1[{name}]": count.f1 for name, count in counts.items()} if is_by_type else {}
    return {**spans, **accuracy, **by_type}


def have_spans(tags: Iterable[Sequence[str]]) -> bool:
    """Whether these tags write spans."""
    return are_spans({tag for row in tags for tag in row})


def baselines(train: Sentences, valid: Sentences, has_spans: bool) -> Mapping[str, tuple[Figures, str]]:
    """Tags without a network: the one that a word has most often, and the one that is most frequent of all."""
    by_word: dict[str, Counter[str]] = {}
    for words, tags in zip(train.words, train.tags, strict=True):
        for word, tag in zip(words, tags, strict=True):
            by_word.setdefault(word, Counter())[tag] += 1
    overall = sum(by_word.values(), Counter[str]()).most_common(1)[0][0]
    usual = {word: counts.most_common(1)[0][0] for word, counts in by_word.items()}
    looked_up = ([usual.get(word, overall) for word in words] for words in valid.words)
    same = ([overall] * len(words) for words in valid.words)
    return {
        "word's tag": (
            figures_of(valid.tags, looked_up, has_spans=has_spans),
            f"the tag that the word has most often in training, {overall} for a word that is not there",
        ),
        "one tag": (
            figures_of(valid.tags, same, has_spans=has_spans),
            f"{overall} for every word, the most frequent tag",
        ),
    }


def worst(sentences: Sentences, predicted: Iterable[Sequence[str]]) -> list[Example]:
    """The sentences with the most wrong tags, those tags in words: WORD/right/predicted."""
    rows = (
        _Wrong([k for k, (right, tag) in enumerate(zip(*pair, strict=True)) if right != tag], row, pair[1])
        for row, pair in enumerate(zip(sentences.tags, predicted, strict=True))
    )
    return [
        Example(
            given=" ".join(sentences.words[wrong.row]),
            expected=_marked(sentences.words[wrong.row], sentences.tags[wrong.row], wrong.places),
            predicted=_marked(sentences.words[wrong.row], wrong.predicted, wrong.places),
            loss=float(len(wrong.places)),
        )
        for wrong in nlargest(NUM_EXAMPLES, rows, key=lambda wrong: len(wrong.places))
        if wrong.places
    ]


class _Wrong(NamedTuple):
    """The places of the wrong tags in a sentence."""

    places: list[int]
    row: int
    predicted: Sequence[str]


def _marked(words: Sequence[str], tags: Sequence[str], places: Sequence[int]) -> str:
    return " ".join(f"{words[k]}/{tags[k]}" for k in places)
