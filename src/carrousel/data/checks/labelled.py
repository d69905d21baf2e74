"""Texts with labels, for a classifier."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from carrousel.data.faults import Faults
from carrousel.data.findings import Findings, num_repeated, parts, percent, some, spread, tally
from carrousel.data.readers.labelled import Columns, Labelled, labelled_rows
from carrousel.data.readers.records import gather
from carrousel.data.splits import a_tenth_of_each, the_last
from carrousel.data.tokens import Tokens

FEWEST = 10  # of a class: with fewer, the held-out part may have none


def check_labelled(path: Path, valid_path: Path | None, columns: Columns, findings: Findings, faults: Faults) -> None:
    """Sizes, classes, vocabulary, the split, texts in both parts, and the accuracy of the most frequent class."""
    texts = gather(path, labelled_rows(path, columns, faults), faults, "text").items
    held_out_texts = [] if valid_path is None else list(labelled_rows(valid_path, columns, faults))
    texts = texts + held_out_texts
    several = Counter(len(text.labels) for text in texts)
    is_one_each = set(several) == {1}
    labels = [text.labels[0] if is_one_each else str(text.labels) for text in texts]
    rows = a_tenth_of_each(labels) if valid_path is None else the_last(len(held_out_texts), len(texts))
    train, valid = ([texts[int(k)] for k in part] for part in rows)
    vocabulary = Tokens.of(word for text in train for word in _words(text))
    held_out = [word for text in valid for word in _words(text)]
    findings.facts |= {
        "texts": f"{len(texts):,}; {spread([len(_words(text)) for text in texts], 'words')}, "
        + spread([len(text.text) for text in texts], "characters"),
        "columns": f"text {columns.text!r}, {''.join(f'{name} {name!r}, ' for name in columns.extra)}label {columns.label!r}",
        "classes": tally(Counter(label for text in texts for label in text.labels)),
        "words": f"{len(vocabulary) - 1:,} different in the training part, in lower case; "
        f"{percent(vocabulary.coverage(held_out))} of those held out are among them",
        "split": parts(len(train), len(valid), "texts", valid_path or "a tenth of each class, drawn by train.seed 0"),
    }
    findings.numbers |= {"train": len(train), "held_out": len(valid), "coverage": vocabulary.coverage(held_out)}
    if not is_one_each:
        findings.facts["labels"] = "a text has " + ", ".join(f"{k} ({several[k]:,} texts)" for k in sorted(several))
    known = {_read(text) for text in train}
    look_for_new([text.labels for text in texts], *rows, findings)
    findings.leak(sum(_read(text) in known for text in valid), len(valid), "texts")
    if repeated := num_repeated(_read(text) for text in texts):
        readings = {(_read(text), text.labels) for text in texts}
        other = len(readings) - len({text for text, _ in readings})
        which = f", {other:,} of them with another label" if repeated > 1 else ", with another label" if other else ""
        findings.doubts.append(f"{some(repeated, 'text', 'was', 'were')} there before{which}.")
    look_at_classes([text.labels for text in texts], findings)
    majority([", ".join(text.labels) or "no label" for text in texts], rows[0].tolist(), rows[1].tolist(), findings)


def look_at_classes(labels: Sequence[tuple[str, ...]], findings: Findings) -> None:
    """Classes that are rare, or alone."""
    counts = Counter(label for several in labels for label in several)
    if rare := [label for label, count in counts.items() if count < FEWEST]:
        shown = ", ".join(sorted(rare)[:FEWEST]) + (" ..." if len(rare) > FEWEST else "")
        findings.doubts.append(
            f"{len(rare):,} of {len(counts):,} classes {'has' if len(rare) == 1 else 'have'} fewer than {FEWEST} sequences: "
            f"{shown}."
        )
    plain = Counter(label.strip().casefold() for label in counts)
    if alike := sorted(label for label in counts if plain[label.strip().casefold()] > 1):
        findings.doubts.append(f"Classes that differ in case or blanks only: {', '.join(map(repr, alike))}.")
    if len(counts) == 1:
        findings.doubts.append("There is one class only: nothing to learn.")


def look_for_new(
    labels: Sequence[tuple[str, ...]],
    train: Int64[np.ndarray, " N"],
    valid: Int64[np.ndarray, " M"],
    findings: Findings,
) -> None:
    """Classes that only the held-out part has."""
    known, asked = ({label for k in part for label in labels[int(k)]} for part in (train, valid))
    if new := asked - known:
        findings.doubts.append(f"Only the held-out part has {', '.join(sorted(new))}: no model can know it.")


def majority(labels: Sequence[str], train: Sequence[int], valid: Sequence[int], findings: Findings) -> None:
    """The accuracy of the class that is most frequent in the training part."""
    if not train or not valid:
        findings.doubts.append("One of the parts has no sequence, expected some in both. Give more.")
        return
    best = Counter(labels[k] for k in train).most_common(1)[0][0]
    accuracy = sum(labels[k] == best for k in valid) / len(valid)
    findings.baselines["majority"] = ({"accuracy": accuracy}, f"{best} for all")


def _read(text: Labelled) -> tuple[str, ...]:
    """All that a model reads: the same text with another target is another one."""
    return text.text, *text.extra


def _words(text: Labelled) -> list[str]:
    return text.text.lower().split()
