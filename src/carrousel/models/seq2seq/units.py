"""What a side of a pair is made of, and pairs themselves: texts in, lists of units out."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Int64

from carrousel.data.kept import Kept, Writer, in_memory
from carrousel.data.lazy import Chosen, Made
from carrousel.data.splits import a_tenth_of_groups
from carrousel.data.stretches import Stretches
from carrousel.errors import DataError
from carrousel.models.seq2seq.sides import Numbers, Sides

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


@dataclass(frozen=True, eq=False)
class Pairs:
    """Sources with a target each; a source that stands there several times has several right answers.

    Attributes:
        sources, targets: their units.
        places: what names each pair in the user's data, such as "words.tsv, line 7".
        told: where they are kept, as a sentence; empty in memory.
    """

    sources: Sides
    targets: Sides
    places: Sequence[str]
    told: str = ""

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

        def checked() -> Iterator[tuple[Sequence[Side], str]]:
            for k, pair in enumerate(pairs):
                place = places[k] if places else f"pair {k:,}"
                if not isinstance(pair, (tuple, list)) or len(cast(Sequence[Any], pair)) != 2:
                    raise DataError(f"{where}: {place} is {pair!r}, expected (source, target). Give pairs.")
                yield cast(Sequence[Side], pair), place

        found = in_memory(lambda writer: write_pairs(writer, checked(), units, where))
        made = cls.opened(found, "pair {:,}")
        if not len(made):
            raise DataError(f"{where}: there is no pair, expected at least 1. Give sources with their targets.")
        return replace(made, places=places) if places else made

    @classmethod
    def opened(cls, found: Kept, place: str) -> "Pairs":
        """What `write_pairs` wrote.

        Args:
            place: a pair's name, with {} for the number that was written of it.
        """
        sources, targets = (
            Sides(Stretches.of(found[side]), tuple(found.description[side])) for side in ("sources", "targets")
        )
        if "numbers" not in found.description["arrays"]:
            return cls(sources, targets, Made(range(len(sources)), place.format), found.told)
        numbers = found["numbers"].values
        return cls(sources, targets, Made(range(len(sources)), lambda k: place.format(int(numbers[k]))), found.told)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.sources)

    def some(self, rows: Int64[np.ndarray, " K"]) -> "Pairs":
        """The pairs of these numbers, views."""
        return Pairs(self.sources.some(rows), self.targets.some(rows), Chosen(self.places, rows), self.told)

    @cached_property
    def references(self) -> "References":
        """Each source once, with all its targets."""
        return References.of(self)

    def hold_out(self, seed: int, where: str) -> tuple["Pairs", "Pairs"]:
        """Pairs to learn from, and those of a tenth of the sources, drawn by the seed: all pairs of a source stay together.

        Raises:
            DataError: there is only one source.
        """
        groups = self.sources.groups()
        if groups.max() < 1:
            raise DataError(
                f"{where}: there is 1 source, expected at least 2 to hold one out. Give more, or held-out pairs: data.valid."
            )
        learned, measured = a_tenth_of_groups(groups, seed)
        return self.some(learned), self.some(measured)

    def fingerprint(self) -> str:
        """The same for the same pairs in the same order."""
        digest = hashlib.sha256()
        for source, target in zip(self.sources, self.targets, strict=True):
            digest.update(("\0".join(source) + "\1" + "\0".join(target) + "\2").encode())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class References:
    """Sources, each once, in the order in which they first come.

    Attributes:
        sources: their units.
        pairs: in which they stand.
        rows: numbers of pairs, those of a source together.
        ends: where those of each source end among them.
    """

    sources: Sides
    pairs: Pairs
    rows: Int64[np.ndarray, " N"]
    ends: Int64[np.ndarray, " K"]

    @classmethod
    def of(cls, pairs: Pairs) -> "References":
        """Of these pairs."""
        groups = pairs.sources.groups()
        rows, ends = np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))
        return cls(pairs.sources.some(rows[np.append(0, ends[:-1])]), pairs, rows, ends)

    def __len__(self) -> int:
        """Number of sources."""
        return len(self.sources)

    def targets(self, k: int) -> list[tuple[str, ...]]:
        """All that is right for source k."""
        begin = int(self.ends[k - 1]) if k else 0
        return [self.pairs.targets[row] for row in self.rows[begin : int(self.ends[k])].tolist()]


def write_pairs(
    writer: Writer,
    pairs: Iterable[tuple[Sequence[Side], str]],
    units: tuple[SourceUnit, TargetUnit],
    where: str,
    numbers: Callable[[], int] | None = None,
) -> Mapping[str, Any]:
    """Both sides as numbers of their units, and what the units are; one pair at a time is held.

    Args:
        pairs: both sides, and what names the pair in an error.
        numbers: of the pair that came last, to be written beside it.

    Raises:
        DataError: an empty source, or positions that are not in the source.
    """
    known = Numbers(), Numbers()
    with ExitStack() as stack:
        sources = stack.enter_context(writer.array("sources", np.int32))
        targets = stack.enter_context(writer.array("targets", np.int32))
        places = stack.enter_context(writer.array("numbers", np.int64)) if numbers else None
        for pair, place in pairs:
            source, target = (cut(side, unit) for side, unit in zip(pair, units, strict=True))
            if not source:
                raise DataError(f"{where}: {place} has an empty source, expected {units[0]}. Leave it out.")
            if units[1] == "positions":
                _check_positions(target, len(source), place, where)
            sources.append(known[0].of(source))
            targets.append(known[1].of(target))
            if places is not None and numbers is not None:
                places.append(np.array([numbers()], np.int64))
    arrays = ["sources", "targets", *(["numbers"] if numbers else [])]
    return {"sources": list(known[0].known), "targets": list(known[1].known), "arrays": arrays}


def _check_positions(target: Sequence[str], size: int, place: str, where: str) -> None:
    for position in target:
        if not position.isdecimal() or not 1 <= int(position) <= size:
            raise DataError(
                f"{where}: {place} has the target {position!r}, expected a position in the source, 1 to {size}. Correct it, or "
                "choose other data.target_units."
            )
