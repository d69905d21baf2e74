"""Sequence to sequence in three lines of Python."""

from collections.abc import Sequence
from typing import Any, cast

from carrousel.models.estimator import Estimator
from carrousel.models.seq2seq.attention_maps import AttentionMap, attention_maps, check_attention
from carrousel.models.seq2seq.kind import KIND
from carrousel.models.seq2seq.network import Seq2SeqNetwork
from carrousel.models.seq2seq.reading import sources_of
from carrousel.models.seq2seq.units import Side, cut, join


class Seq2Seq(Estimator):
    """Writes one sequence from another, learned from pairs; the settings are those of `carrousel train`.

        speaker = Seq2Seq(source_units="characters", target_units="phonemes").fit("words.tsv")
        speaker.predict(["carrousel"])

    `fit` takes a file (a pair a line, tab between) or a list of (source, target), each a text or a list of units.
    """

    model_kind = KIND
    Network = Seq2SeqNetwork

    def predict(
        self,
        sources: Sequence[Side],
        beam: int | None = None,
        n_best: int = 1,
        length_penalty: float | None = None,
    ) -> list[Any]:
        """The target of each source as a text, or with `n_best` above 1 a list of them, the best first.

        Args:
            sources: texts, or lists of units.
            beam: hypotheses at a time; None for the settings' own.
            n_best: targets for each source, at most `beam`.
            length_penalty: exponent of the length normalisation; None for the settings' own.

        Raises:
            DataError: an empty source.
            ConfigError: a number out of range.
        """
        network = self._seq2seq()
        given = list(sources_of(sources, network.units[0], f"{self._where()}.predict"))
        found = network.translate(given, beam, n_best, length_penalty)
        texts = [[join(one.units, network.units[1]) for one in several] for several in found]
        return [several[0] for several in texts] if n_best == 1 else texts

    def attention(self, sources: Sequence[Side], targets: Sequence[Side] | None = None) -> list[AttentionMap]:
        """What the decoder looks at while it writes each target.

        Args:
            sources: texts, or lists of units.
            targets: to be written; left out, what `predict` gives.

        Raises:
            DataError: an empty source.
            ConfigError: the model has no attention.
        """
        network, where = self._seq2seq(), f"{self._where()}.attention"
        check_attention(network, where)
        given = list(sources_of(sources, network.units[0], where))
        if targets is None:
            written = [best.units for best, *_ in network.translate(given)]
        else:
            written = [cut(target, network.units[1]) for target in targets]
        return attention_maps(network, given, written, where)

    def _seq2seq(self) -> Seq2SeqNetwork:
        return cast(Seq2SeqNetwork, self.network)
