"""How far sequences are from what they should be: edit distance, error rate, exact match, BLEU.

A reference is a sequence of units (characters, words, phonemes); where several are right, the nearest counts.

Sources: Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", Soviet Physics Doklady 10(8), 1966.
Papineni, Roukos, Ward and Zhu, "BLEU: a Method for Automatic Evaluation of Machine Translation", ACL 2002.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence

from carrousel.errors import DataError

Units = Sequence[Hashable]


def edit_distance(given: Units, wanted: Units) -> int:
    """The fewest insertions, deletions and substitutions that make one sequence the other.

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(wanted) + 1))
    for i, unit in enumerate(given, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(wanted, 1):
            change = diagonal + (unit != other)
            diagonal = row[j]
            row[j] = min(change, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def error_rate(given: Sequence[Units], references: Sequence[Sequence[Units]]) -> float:
    """Edits over all sequences, divided by the units of the references: WER, CER or PER, by what the units are.

    Each sequence is held against its nearest reference, the longest of several as near. Above 1 where more was written
    than there should be.

    Args:
        given: what was written.
        references: for each of these, one or more that are right.

    Raises:
        DataError: not one list of references a sequence, or one without any, or all of them empty.

    >>> error_rate(["cat", "dog"], [["cat"], ["dig", "fog"]])
    0.16666666666666666
    """
    return rate(*edits(given, references))


def edits(given: Sequence[Units], references: Sequence[Sequence[Units]]) -> tuple[int, int]:
    """Edits over all sequences, and the units of their references, which `rate` divides; both add up over many calls.

    Raises:
        DataError: not one list of references a sequence, or one without any.
    """
    _check("error_rate", given, references)
    total = units = 0
    for one, several in zip(given, references, strict=True):
        distance, length = min((edit_distance(one, reference), -len(reference)) for reference in several)
        total, units = total + distance, units - length
    return total, units


def rate(edits: int, units: int) -> float:
    """Edits a unit.

    Raises:
        DataError: there are no units.
    """
    if not units:
        raise DataError(
            "error_rate: all references are empty, expected units to count errors by. Check the references."
        )
    return edits / units


def exact_match(given: Sequence[Units], references: Sequence[Sequence[Units]]) -> float:
    """The part of the sequences that equal one of their references.

    Raises:
        DataError: no sequences, not one list of references a sequence, or one without any.
    """
    return exact(given, references) / len(given)


def exact(given: Sequence[Units], references: Sequence[Sequence[Units]]) -> int:
    """How many of the sequences equal one of their references; errors as `exact_match`."""
    _check("exact_match", given, references)
    return sum(any(list(one) == list(each) for each in several) for one, several in zip(given, references, strict=True))


def bleu(given: Sequence[Units], references: Sequence[Sequence[Units]], order: int = 4) -> float:
    """Corpus BLEU, 0 to 1, as its paper defines it.

        BLEU = BP exp(Σ_n ln p_n / order),   BP = min(1, e^(1 - r / c))

    p_n: n-grams of all sequences that their references have, each counted no more often than in the one reference that has
    it most, over all n-grams of the sequences. c: units of the sequences; r: of the references nearest to them in length,
    the shorter of two as near. Nothing is smoothed: where no n-gram of one order matches, BLEU is 0.

    Units are compared as they are; to compare with published figures, cut words as those did.

    Raises:
        DataError: no sequences, not one list of references a sequence, or one without any.
    """
    found = BleuCounts(order)
    found.add(given, references)
    return found.bleu()


class BleuCounts:
    """What BLEU is made of, for sequences that come in several lots.

    Args:
        order: most units in an n-gram.
    """

    def __init__(self, order: int = 4) -> None:
        self.matches, self.totals, self.size, self.nearest_size = [0] * order, [0] * order, 0, 0

    def add(self, given: Sequence[Units], references: Sequence[Sequence[Units]]) -> None:
        """Count some sequences; errors as `bleu`."""
        _check("bleu", given, references)
        for one, several in zip(given, references, strict=True):
            self.size += len(one)
            self.nearest_size += min((abs(len(each) - len(one)), len(each)) for each in several)[1]
            for n in range(1, len(self.matches) + 1):
                counts, most = _n_grams(one, n), Counter[tuple[Hashable, ...]]()
                for each in several:
                    most |= _n_grams(each, n)
                self.matches[n - 1] += (counts & most).total()
                self.totals[n - 1] += counts.total()

    def bleu(self) -> float:
        """Of all that was counted."""
        if not all(self.matches):
            return 0.0
        precisions = (math.log(m / t) for m, t in zip(self.matches, self.totals, strict=True))
        return math.exp(sum(precisions) / len(self.matches)) * math.exp(min(0.0, 1 - self.nearest_size / self.size))


def _n_grams(units: Units, n: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(units[k : k + n]) for k in range(len(units) - n + 1))


def _check(where: str, given: Sequence[Units], references: Sequence[Sequence[Units]]) -> None:
    if not given or len(given) != len(references):
        raise DataError(
            f"{where}: {len(given):,} sequences with {len(references):,} lists of references, expected at least 1 and as many. "
            "Give one list of references for each sequence."
        )
    for k, several in enumerate(references):
        if not several:
            raise DataError(f"{where}: sequence {k} has no reference, expected at least 1. Leave the sequence out.")
