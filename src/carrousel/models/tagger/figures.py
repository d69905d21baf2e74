"""How right tags are, and what a tagger is compared with."""

from collections import Counter
from collections.abc import Mapping, Sequence

from carrousel.models.spans import all_types, are_spans, count_spans
from carrousel.models.tagger.sentences import Sentences
from carrousel.train.kind import Example, Figures

NUM_EXAMPLES = 20
Tags = Sequence[Sequence[str]]


def figures_of(expected: Tags, predicted: Tags, *, has_spans: bool, is_by_type: bool = False) -> Figures:
    """Accuracy, and where tags write spans, precision, recall and F1 of whole spans as conlleval counts them.

    Args:
        is_by_type: F1 of each type, too, as `f1[PER]`.
    """
    pairs = [pair for row in zip(expected, predicted, strict=True) for pair in zip(*row, strict=True)]
    accuracy = {"accuracy": sum(tag == right for right, tag in pairs) / max(len(pairs), 1)}
    if not has_spans:
        return accuracy
    counts = count_spans(expected, predicted)
    total = all_types(counts)
    spans = {"f1": total.f1, "precision": total.precision, "recall": total.recall}
    by_type = {f"f1[{name}]": count.f1 for name, count in counts.items()} if is_by_type else {}
    return {**spans, **accuracy, **by_type}


def have_spans(tags: Tags) -> bool:
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
    looked_up = [[usual.get(word, overall) for word in words] for words in valid.words]
    same = [[overall] * len(words) for words in valid.words]
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


def worst(sentences: Sentences, predicted: Tags) -> list[Example]:
    """The sentences with the most wrong tags, those tags in words: WORD/right/predicted."""
    wrong = [
        [k for k, (right, tag) in enumerate(zip(*row, strict=True)) if right != tag]
        for row in zip(sentences.tags, predicted, strict=True)
    ]
    order = sorted(range(len(wrong)), key=lambda row: -len(wrong[row]))[:NUM_EXAMPLES]
    return [
        Example(
            given=" ".join(sentences.words[row]),
            expected=_marked(sentences.words[row], sentences.tags[row], wrong[row]),
            predicted=_marked(sentences.words[row], predicted[row], wrong[row]),
            loss=float(len(wrong[row])),
        )
        for row in order
        if wrong[row]
    ]


def _marked(words: Sequence[str], tags: Sequence[str], places: Sequence[int]) -> str:
    return " ".join(f"{words[k]}/{tags[k]}" for k in places)
