"""Pairs of texts, for sequence to sequence."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from carrousel.data.faults import Faults
from carrousel.data.findings import Findings, num_repeated, parts, some, spread
from carrousel.data.readers.pairs import Pair, by_source, pair_rows
from carrousel.data.readers.records import gather
from carrousel.data.splits import a_tenth_of_keys, the_last


def check_pairs(
    path: Path, valid_path: Path | None, columns: tuple[str | int, str | int], findings: Findings, faults: Faults
) -> None:
    """Sizes on both sides, several targets of a source, the split, likeness of the parts, and simple answers."""
    pairs = gather(path, pair_rows(path, *columns, faults), faults, "pair").items
    held_out_pairs = [] if valid_path is None else list(pair_rows(valid_path, *columns, faults))
    pairs = pairs + held_out_pairs
    grouped = by_source(pairs)
    rows = (
        a_tenth_of_keys([pair.source for pair in pairs])
        if valid_path is None
        else the_last(len(held_out_pairs), len(pairs))
    )
    train, valid = ([pairs[int(k)] for k in part] for part in rows)
    num_sources = [len({pair.source for pair in part}) for part in (train, valid)]
    findings.facts |= {
        "pairs": f"{len(pairs):,} of {len(grouped):,} sources; {spread([len(targets) for targets in grouped.values()], 'targets')}",
        "sources": _side([pair.source for pair in pairs]),
        "targets": _side([pair.target for pair in pairs]),
        "ratio": _ratio(pairs),
        "characters": _coverage(train, valid),
        "split": parts(
            num_sources[0], num_sources[1], "sources", valid_path or "a tenth of the sources, drawn by train.seed 0"
        ),
    }
    findings.numbers |= {"train": len(train), "held_out": len(valid)}
    known = {_plain(pair.source) for pair in train}
    held_out = dict.fromkeys(pair.source for pair in valid)
    findings.leak(
        sum(_plain(source) in known for source in held_out), len(held_out), "sources (but for case and blanks)"
    )
    if repeated := num_repeated((pair.source, pair.target) for pair in pairs):
        findings.doubts.append(f"{some(repeated, 'pair', 'was', 'were')} there before.")
    if not train or not valid:
        findings.doubts.append("One of the parts has no pair, expected some in both. Give more.")
        return
    best = Counter(pair.target for pair in train).most_common(1)[0][0]
    answers = {source: set(grouped[source]) for source in held_out}
    findings.baselines |= {
        "copy": ({"exact match": _part(source in answers[source] for source in held_out)}, "the source as it is"),
        "one target": ({"exact match": _part(best in right for right in answers.values())}, f"{best!r} for all"),
    }


def _side(texts: list[str]) -> str:
    return f"{spread(list(map(len, texts)), 'characters')}, {spread([len(text.split()) for text in texts], 'words')}"


def _ratio(pairs: list[Pair]) -> str:
    ratios = np.sort([len(pair.target) / len(pair.source) for pair in pairs])
    low, middle, high = (ratios[int(part * (len(ratios) - 1))] for part in (0.025, 0.5, 0.975))
    return f"a target has {middle:.2f} times the characters of its source (95 %: {low:.2f} to {high:.2f})"


def _coverage(train: list[Pair], valid: list[Pair]) -> str:
    sides = list[str]()
    for name in ("source", "target"):
        known, asked = ({c for pair in part for c in getattr(pair, name)} for part in (train, valid))
        new = "".join(sorted(asked - known))
        sides.append(f"{len(known | asked):,} in {name}s" + (f" ({new!r} only in the held-out part)" if new else ""))
    return ", ".join(sides)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _part(is_right: Iterable[bool]) -> float:
    found = list(is_right)
    return sum(found) / len(found)
