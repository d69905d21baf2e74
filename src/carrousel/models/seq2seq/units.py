"""What a side of a pair is made of, and pairs themselves: texts in, lists of units out."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from carrousel.data.splits import a_tenth_of_keys
from carrousel.errors import DataError

SourceUnit = Literal["characters", "words", "phonemes"]
TargetUnit = Literal["characters", "words", "phonemes", "positions"]
Side = str | Sequence[str]
"""A text, or the units of one."""


def cut(text: Side, unit: TargetUnit) -> tuple[str, ...]:
    """The units of a text: its characters, or what stands between its spaces.

    >>> cut("K AE1 T", "phonemes")
    ('K', 'AE1', 'T')
    """
    if not isinstance(text, str):
        return tuple(text)
    return tuple(text) if unit == "characters" else tuple(text.split())


def join(units: Iterable[str], unit: TargetUnit) -> str:
    """The text of these units."""
    return ("" if unit == "characters" else " ").join(units)


@dataclass(frozen=True)
class Pairs:
    """Sources with a target each; a source that stands there several times has several right answers.

    Attributes:
        sources, targets: their units.
        places: what names each pair in the user's data, such as "words.tsv, line 7".
    """

    sources: Sequence[tuple[str, ...]]
    targets: Sequence[tuple[str, ...]]
    places: Sequence[str]

    @classmethod
    def of(
        cls,
        pairs: Iterable[Any],
        units: tuple[SourceUnit, TargetUnit],
        where: str,
        places: Sequence[str] | None = None,
    ) -> "Pairs":
        """Pairs of texts, or of lists of units.

        Args:
            pairs: (source, target), what a user hands over.
            units: of sources and of targets.
            where: what to name in front of an error.
            places: names of the pairs; left out, their numbers.

        Raises:
            DataError: something that is no pair, an empty source, positions that are not in the source, or no pair at all.
        """
        sources: list[tuple[str, ...]] = []
        targets: list[tuple[str, ...]] = []
        found: list[str] = []
        for k, pair in enumerate(pairs):
            place = places[k] if places else f"pair {k:,}"
            if not isinstance(pair, (tuple, list)) or len(cast(Sequence[Any], pair)) != 2:
                raise DataError(f"{where}: {place} is {pair!r}, expected (source, target). Give pairs.")
            source, target = (cut(side, unit) for side, unit in zip(cast(Sequence[Side], pair), units, strict=True))
            if not source:
                raise DataError(f"{where}: {place} has an empty source, expected {units[0]}. Leave it out.")
            if units[1] == "positions":
                _check_positions(target, len(source), place, where)
            sources.append(source)
            targets.append(target)
            found.append(place)
        if not sources:
            raise DataError(f"{where}: there is no pair, expected at least 1. Give sources with their targets.")
        return cls(sources, targets, found)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.sources)

    def some(self, rows: Sequence[int]) -> "Pairs":
        """The pairs of these numbers."""
        sources, targets = ([side[k] for k in rows] for side in (self.sources, self.targets))
        return Pairs(sources, targets, [self.places[k] for k in rows])

    def references(self) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
        """Each source once, with all its targets."""
        found: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for source, target in zip(self.sources, self.targets, strict=True):
            found.setdefault(source, []).append(target)
        return found

    def hold_out(self, seed: int, where: str) -> tuple["Pairs", "Pairs"]:
        """Pairs to learn from, and those of a tenth of the sources, drawn by the seed: all pairs of a source stay together.

        Raises:
            DataError: there is only one source.
        """
        if len(set(self.sources)) < 2:
            raise DataError(
                f"{where}: there is 1 source, expected at least 2 to hold one out. Give more, or held-out pairs: data.valid."
            )
        learned, measured = a_tenth_of_keys(self.sources, seed)
        return self.some(learned.tolist()), self.some(measured.tolist())

    def fingerprint(self) -> str:
        """The same for the same pairs in the same order."""
        digest = hashlib.sha256()
        for source, target in zip(self.sources, self.targets, strict=True):
            digest.update(("\0".join(source) + "\1" + "\0".join(target) + "\2").encode())
        return digest.hexdigest()


def _check_positions(target: Sequence[str], size: int, place: str, where: str) -> None:
    for position in target:
        if not position.isdecimal() or not 1 <= int(position) <= size:
            raise DataError(
                f"{where}: {place} has the target {position!r}, expected a position in the source, 1 to {size}. Correct it, or "
                "choose other data.target_units."
            )
