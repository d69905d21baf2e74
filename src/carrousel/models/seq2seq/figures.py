"""How right targets are, in figures by name."""

from collections.abc import Mapping, Sequence

from carrousel.models.edits import BleuCounts, Units, edits, exact, rate
from carrousel.models.seq2seq.units import TargetUnit

EXACT, BLEU = "exact_match", "bleu"
RATES: Mapping[TargetUnit, str] = {
    "characters": "character_error_rate",
    "words": "word_error_rate",
    "phonemes": "phoneme_error_rate",
    "positions": "position_error_rate",
}


class Tally:
    """What is measured of targets of one unit, for targets that come in several lots.

    Args:
        unit: of targets.
    """

    def __init__(self, unit: TargetUnit) -> None:
        self.unit: TargetUnit = unit
        self.edits = self.units = self.exact = self.number = 0
        self.bleu = BleuCounts()

    def add(self, given: Sequence[Units], references: Sequence[Sequence[Units]]) -> None:
        """Count some targets that were written, and for each the right ones."""
        more, units = edits(given, references)
        self.edits, self.units = self.edits + more, self.units + units
        self.exact, self.number = self.exact + exact(given, references), self.number + len(given)
        if self.unit == "words":
            self.bleu.add(given, references)

    def figures(self) -> dict[str, float]:
        """Of all that was counted.

        Returns:
            The error rate of the unit, and exact_match; of words bleu, too; of phonemes also word_error_rate, which among
            pronunciations is the part of the words that are not exactly right, 1 - exact_match.
        """
        is_exact = self.exact / self.number
        figures = {RATES[self.unit]: rate(self.edits, self.units), EXACT: is_exact}
        if self.unit == "words":
            figures[BLEU] = self.bleu.bleu()
        if self.unit == "phonemes":
            figures["word_error_rate"] = 1 - is_exact
        return figures


def figures_of(given: Sequence[Units], references: Sequence[Sequence[Units]], unit: TargetUnit) -> dict[str, float]:
    """The same of targets at hand."""
    tally = Tally(unit)
    tally.add(given, references)
    return tally.figures()
