"""What was found out about a file of data, as text and as numbers."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Integer

NUM_SHOWN = 12
LONGEST_NAME = 14  # characters of a fact's name; longer ones push their text to the right


@dataclass
class Findings:
    """What a file holds, which model it suits, what to look at, and what a model has to beat.

    Attributes:
        path: of the file or folder.
        kind: of model that it suits, such as "tagger".
        form: what the file was taken for, in words.
        facts: name -> what there is, in the order to be told.
        doubts: what may be wrong with the data, a sentence each.
        baselines: name -> (its figures on the held-out part, what it is).
        numbers: the numbers behind facts and doubts, by name.
    """

    path: Path
    kind: str
    form: str
    facts: dict[str, str] = field(default_factory=dict[str, str])
    doubts: list[str] = field(default_factory=list[str])
    baselines: dict[str, tuple[Mapping[str, float], str]] = field(
        default_factory=dict[str, tuple[Mapping[str, float], str]]
    )
    numbers: dict[str, float] = field(default_factory=dict[str, float])

    def lines(self) -> list[str]:
        """The whole as lines of text."""
        found = [f"{self.path}: {self.form}, for the kind {self.kind}"]
        found += [f"  {name:{LONGEST_NAME}} {text}" for name, text in self.facts.items()]
        if self.doubts:
            found += ["To look at", *(f"  {doubt}" for doubt in self.doubts)]
        if self.baselines:
            found.append("Without a network, on the held-out part")
        for name, (figures, about) in self.baselines.items():
            shown = ", ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
            found.append(f"  {name:{LONGEST_NAME}} {shown} ({about})")
        return found

    def leak(self, num: int, num_held_out: int, what: str) -> None:
        """Say how many held-out sequences are in the training part, too; `what` they are, as in "sentences"."""
        self.numbers["leaked"] = num
        if num:
            part = percent(num / num_held_out)
            self.doubts.append(
                f"{num:,} of {num_held_out:,} held-out {what} ({part}) are in the training part, too: figures on them flatter."
            )


def spread(values: Sequence[int] | Integer[np.ndarray, " N"], unit: str) -> str:
    """The least, the median, 95 % and the most of some counts, in words.

    >>> spread([1, 2, 2, 9], "words")
    '1 to 9 words (median 2, 95 % up to 9)'
    """
    found = np.sort(np.asarray(values, np.int64))
    if found[0] == found[-1]:
        return f"{found[0]:,} {unit if found[0] != 1 else unit.removesuffix('s')} each"
    median, most = found[(len(found) - 1) // 2], found[-(-95 * len(found) // 100) - 1]
    return f"{found[0]:,} to {found[-1]:,} {unit} (median {median:,}, 95 % up to {most:,})"


def tally(counts: Mapping[str, int]) -> str:
    """The most frequent of some things with their counts.

    >>> tally({"a": 1, "b": 3})
    '2: b 3, a 1'
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {count:,}" for name, count in ordered[:NUM_SHOWN])
    more = f" and {len(ordered) - NUM_SHOWN:,} more" if len(ordered) > NUM_SHOWN else ""
    return f"{len(ordered):,}: {shown}{more}"


def some(number: int, thing: str, does: str, do: str) -> str:
    """So many things and what they do.

    >>> some(1, "sentence", "has", "have"), some(2, "text", "was", "were"), some(3, "series", "ends", "end")
    ('1 sentence has', '2 texts were', '3 series end')
    """
    things = thing if number == 1 or thing == "series" else f"{thing}s"
    return f"{number:,} {things} {does if number == 1 else do}"


def percent(part: float) -> str:
    """A part of one as text, such as "12.5 %"."""
    return f"{100 * part:.1f} %"


def parts(num_train: int, num_held_out: int, what: str, how: str | Path) -> str:
    """The sizes of the two parts of a split, and how it is made: in words, or the file that is held out."""
    return f"{num_train:,} {what} to learn from, {num_held_out:,} held out: {how}"


def num_repeated(keys: Iterable[Hashable]) -> int:
    """How many of these were there before."""
    return sum(count - 1 for count in Counter(keys).values())
