"""A tagger in three lines of Python."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from jaxtyping import Float64

from carrousel.models.estimator import Estimator
from carrousel.models.spans import Span, spans_of
from carrousel.models.tagger.kind import KIND
from carrousel.models.tagger.network import TaggerNetwork
from carrousel.models.tagger.sentences import split_sentences


class Tagger(Estimator):
    """A tag for each word of a sentence, learned from tagged sentences; the settings are those of `carrousel train`.

    `fit` takes the path of a file of CoNLL columns or CoNLL-U, or a list of sentences, each a list of (word, tag).

    >>> tagger = Tagger(cell="gru", hidden_size=8, epochs=2, characters="none")
    >>> data = [[("a", "DET"), ("cat", "NOUN")], [("the", "DET"), ("dog", "NOUN")]] * 8
    >>> len(tagger.fit(data).predict([["a", "dog"]])[0])
    2
    """

    model_kind = KIND
    Network = TaggerNetwork

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags, in the order of the last axis of `marginals`; spans in the scheme that was learned."""
        return self._tagger.labels.strings

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """The likeliest tags of each sentence.

        Args:
            sentences: lists of words, which may be empty.
        """
        return self._tagger.predict(split_sentences(sentences, "Tagger.predict"))

    def predict_spans(self, sentences: Sequence[Sequence[str]]) -> list[list[Span]]:
        """The spans of each sentence, for tags such as B-PER: start, end (the word after the last) and type."""
        return [spans_of(tags) for tags in self.predict(sentences)]

    def n_best(self, sentences: Sequence[Sequence[str]], n: int) -> list[list[tuple[list[str], float]]]:
        """The n likeliest sequences of tags of each sentence with their probabilities; see `TaggerNetwork.n_best`."""
        return self._tagger.n_best(split_sentences(sentences, "Tagger.n_best"), n)

    def marginals(self, sentences: Sequence[Sequence[str]]) -> list[Float64[np.ndarray, "T C"]]:
        """Probability of each of `labels` for each word of each sentence."""
        return self._tagger.marginals(split_sentences(sentences, "Tagger.marginals"))

    @property
    def _tagger(self) -> TaggerNetwork:
        return cast(TaggerNetwork, self.network)
