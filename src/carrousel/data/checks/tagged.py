"""Sentences of words with a tag each, for a tagger."""

from collections import Counter
from pathlib import Path

from carrousel.data.faults import Faults
from carrousel.data.findings import Findings, num_repeated, parts, percent, some, spread, tally
from carrousel.data.readers.conll import Sentence, conll_sentences
from carrousel.data.readers.records import gather
from carrousel.data.splits import a_tenth
from carrousel.data.tokens import Tokens


def check_tagged(
    path: Path, valid_path: Path | None, columns: tuple[int | str, int | str], findings: Findings, faults: Faults
) -> None:
    """Sizes, tags, vocabulary, the split, sentences in both parts, and the accuracy of each word's most frequent tag."""
    sentences = gather(path, conll_sentences(path, columns, faults), faults, "sentence").items
    if valid_path is None:
        train, valid = ([sentences[int(k)] for k in part] for part in a_tenth(len(sentences)))
    else:
        train, valid = sentences, list(conll_sentences(valid_path, columns, faults))
        sentences = train + valid
    vocabulary = Tokens.of(word for sentence in train for word in sentence.columns[0])
    held_out = [word for sentence in valid for word in sentence.columns[0]]
    tags = Counter(tag for sentence in sentences for tag in sentence.columns[1])
    findings.facts |= {
        "sentences": f"{len(sentences):,}; {spread(list(map(len, sentences)), 'words')}",
        "words": f"{sum(map(len, sentences)):,} in columns {columns[0]} and {columns[1]}, "
        f"{len({word for sentence in sentences for word in sentence.columns[0]}):,} different; "
        f"{percent(vocabulary.coverage(held_out))} of those held out are in the training part",
        "tags": tally(tags),
        "split": parts(len(train), len(valid), "sentences", valid_path or "a tenth, drawn by train.seed 0"),
    }
    findings.numbers |= {"train": len(train), "held_out": len(valid), "coverage": vocabulary.coverage(held_out)}
    _look(sentences, train, valid, findings)
    if train and valid:
        _measure(train, valid, findings)


def _look(sentences: list[Sentence], train: list[Sentence], valid: list[Sentence], findings: Findings) -> None:
    known = {sentence.columns[0] for sentence in train}
    findings.leak(sum(sentence.columns[0] in known for sentence in valid), len(valid), "sentences")
    if repeated := num_repeated(sentence.columns[0] for sentence in sentences):
        findings.doubts.append(f"{some(repeated, 'sentence', 'has', 'have')} the words of an earlier one.")
    readings = {sentence.columns for sentence in sentences}
    if contradictory := len(readings) - len({words for words, _ in readings}):
        findings.doubts.append(
            f"{some(contradictory, 'sentence', 'has', 'have')} the words of another one and other tags."
        )
    unseen = {tag for s in valid for tag in s.columns[1]} - {tag for s in train for tag in s.columns[1]}
    if unseen:
        findings.doubts.append(f"Tags that only the held-out part has: {', '.join(sorted(unseen))}.")


def _measure(train: list[Sentence], valid: list[Sentence], findings: Findings) -> None:
    by_word: dict[str, Counter[str]] = {}
    for sentence in train:
        for word, tag in zip(*sentence.columns, strict=True):
            by_word.setdefault(word, Counter())[tag] += 1
    overall = sum(by_word.values(), Counter[str]()).most_common(1)[0][0]
    usual = {word: counts.most_common(1)[0][0] for word, counts in by_word.items()}
    pairs = [pair for sentence in valid for pair in zip(*sentence.columns, strict=True)]
    right = sum(usual.get(word, overall) == tag for word, tag in pairs)
    same = sum(tag == overall for _, tag in pairs)
    findings.baselines |= {
        "word's tag": ({"accuracy": right / len(pairs)}, f"the word's most frequent tag, {overall} for a new word"),
        "one tag": ({"accuracy": same / len(pairs)}, f"{overall} for every word"),
    }
