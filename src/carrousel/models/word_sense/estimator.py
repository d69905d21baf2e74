"""A word-sense classifier in three lines of Python."""

from typing import Any

from carrousel.models.classifier.estimator import ScoringEstimator
from carrousel.models.word_sense.kind import KIND
from carrousel.models.word_sense.network import WordSenseNetwork


class WordSense(ScoringEstimator):
    """The sense of a word among those of its lemma: each text is (text with `$T$`, the word, its lemma).

    >>> texts = [("on the river $T$", "bank", "bank"), ("money in the $T$", "bank", "bank")]
    >>> WordSense(hidden_size=4, epochs=1).fit(texts * 2, ["shore", "house"] * 2).predict(texts).shape
    (2,)
    """

    model_kind = KIND
    Network = WordSenseNetwork

    def sense_probabilities(self, data: Any) -> list[dict[str, float]]:
        """Probability of each sense that a word's lemma can have, the first sense first; empty for a lemma without senses."""
        network, rows = self._rows(data)
        assert isinstance(network, WordSenseNetwork)
        lemmas, found = network.inventory.lemmas, list[dict[str, float]]()
        for lemma, row in zip(rows.numbers[:, 0], network.probabilities(rows), strict=True):
            senses = network.inventory.candidates[lemmas[lemma]] if lemma < len(lemmas) else ()
            found.append(dict(zip(senses, row.tolist(), strict=False)))
        return found
