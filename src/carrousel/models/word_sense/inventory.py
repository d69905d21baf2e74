"""Which senses a lemma can have, the first one first."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Int64

from carrousel.data.faults import Faults
from carrousel.data.readers.rows import read_rows
from carrousel.errors import DataError


@dataclass(frozen=True, eq=False)
class Inventory:
    """The candidates of each lemma.

    Attributes:
        candidates: lemma -> its senses, the one to fall back on first.
        learned: lemmas that occur in the training data.
    """

    candidates: Mapping[str, Sequence[str]]
    learned: frozenset[str]

    @classmethod
    def of(cls, train: Iterable[tuple[str, str]], everything: Iterable[tuple[str, str]]) -> Self:
        """The senses that occur in the data; those of a lemma by how often they do in the training part.

        Args:
            train, everything: lemmas and senses of the training part, and with the held-out part.
        """
        counts = Counter(train)
        pairs = sorted(set(everything), key=lambda pair: (pair[0], -counts[pair], pair[1]))
        return cls(_by_lemma(pairs), frozenset(lemma for lemma, _ in counts))

    @classmethod
    def read(cls, path: Path, train: Iterable[tuple[str, str]], where: str, *, skip_bad: bool = False) -> Self:
        """The senses in a table with the columns lemma and sense, in the file's order.

        Raises:
            ConfigError: a column is missing.
            DataError: the file cannot be used.
        """
        faults = Faults(where, skip_bad)
        rows = read_rows(path, ["lemma", "sense"], faults)
        pairs = dict.fromkeys((str(lemma), str(sense)) for _, (lemma, sense) in rows)
        return cls(_by_lemma(pairs), frozenset(lemma for lemma, _ in train))

    def check(self, pairs: Iterable[tuple[str, str]], places: Iterable[str], source: str, where: str) -> None:
        """Refuse training data with a sense that its lemma cannot have.

        Raises:
            DataError: there is one; its place is named.
        """
        for place, (lemma, sense) in zip(places, pairs, strict=True):
            if sense not in self.candidates.get(lemma, ()):
                raise DataError(
                    f"{where}: {place} has the sense {sense!r}, which {source} does not list for {lemma!r}, expected one that it "
                    "lists. Add it there, or correct the line."
                )

    @property
    def lemmas(self) -> list[str]:
        """All lemmas, in order; their places are their numbers."""
        return list(self.candidates)

    @property
    def senses(self) -> list[str]:
        """All senses, in order; their places are their numbers."""
        return list(dict.fromkeys(sense for senses in self.candidates.values() for sense in senses))

    def table(self) -> tuple[Int64[np.ndarray, "L K"], Bool[np.ndarray, "L K"]]:
        """Numbers of the senses of each lemma, and which places hold one; one lemma more stands for all that are not known."""
        numbers = {sense: k for k, sense in enumerate(self.senses)}
        width = max(map(len, self.candidates.values()))
        table = np.zeros((len(self.candidates) + 1, width), np.int64)
        is_there = np.zeros(table.shape, bool)
        is_there[-1, 0] = True
        for row, senses in enumerate(self.candidates.values()):
            table[row, : len(senses)] = [numbers[sense] for sense in senses]
            is_there[row, : len(senses)] = True
        return table, is_there

    def to_dict(self) -> dict[str, Any]:
        """A description that JSON can hold."""
        return {
            "candidates": {lemma: list(senses) for lemma, senses in self.candidates.items()},
            "learned": sorted(self.learned),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """What `to_dict` described."""
        return cls(saved["candidates"], frozenset(saved["learned"]))


def _by_lemma(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for lemma, sense in pairs:
        found.setdefault(lemma, []).append(sense)
    return found
