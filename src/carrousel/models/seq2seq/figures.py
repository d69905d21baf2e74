"""How right targets are, in figures by name."""

from collections.abc import Mapping, Sequence

from carrousel.models.edits import Units, bleu, error_rate, exact_match
from carrousel.models.seq2seq.units import TargetUnit

EXACT, BLEU = "exact_match", "bleu"
RATES: Mapping[TargetUnit, str] = {
    "characters": "character_error_rate",
    "words": "word_error_rate",
    "phonemes": "phoneme_error_rate",
    "positions": "position_error_rate",
}


def figures_of(given: Sequence[Units], references: Sequence[Sequence[Units]], unit: TargetUnit) -> dict[str, float]:
    """What is measured of targets of one unit.

    Args:
        given: targets that were written.
        references: for each, the right ones.

    Returns:
        The error rate of the unit, and exact_match; of words bleu, too; of phonemes also word_error_rate, which among
        pronunciations is the part of the words that are not exactly right, 1 - exact_match.
    """
    exact = exact_match(given, references)
    figures = {RATES[unit]: error_rate(given, references), EXACT: exact}
    if unit == "words":
        figures[BLEU] = bleu(given, references)
    if unit == "phonemes":
        figures["word_error_rate"] = 1 - exact
    return figures
