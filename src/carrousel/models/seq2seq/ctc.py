"""CTC: no decoder; every step that the encoder takes writes one unit or none."""

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.errors import DataError
from carrousel.heads.ctc import best_path, ctc_loss, prefix_beam
from carrousel.layers.draw import Draw
from carrousel.models.seq2seq.encoder import Encoder
from carrousel.models.seq2seq.network import PairBatch, Search, Seq2SeqNetwork
from carrousel.models.seq2seq.units import Pairs


def fitting(pairs: Pairs, repeats: int, skip_bad: bool, where: str) -> tuple[Pairs, str]:
    """The pairs whose target can be written along the source, and what to report of others.

    Args:
        pairs: to learn from.
        repeats: steps of each source unit.
        skip_bad: leave others out; if not, the first is an error.
        where: what to name in front of an error.

    Raises:
        DataError: a target does not fit its source, or none does.
    """
    is_fitting = np.zeros(len(pairs), bool)
    steps = repeats * pairs.sources.lengths
    for k, target in enumerate(pairs.targets.ids):
        needed = len(target) + int((target[1:] == target[:-1]).sum())
        is_fitting[k] = needed <= steps[k]
        if not is_fitting[k] and not skip_bad:
            raise DataError(
                f"{where}: {pairs.places[k]} has {steps[k]} steps for a target that needs {needed}, expected as many: "
                "ctc writes one unit a step, and a blank between equal ones. Raise model.repeats, or leave such pairs out: "
                "data.skip_bad=true"
            )
    kept = np.flatnonzero(is_fitting)
    if not len(kept):
        raise DataError(f"{where}: no target fits its source, expected at least 1. Raise model.repeats.")
    num_left = len(pairs) - len(kept)
    return pairs.some(kept), f"{where}: pairs left out, as too long for ctc: {num_left:,}." if num_left else ""


class CtcNetwork(Seq2SeqNetwork):
    """P(target | source) as the sum over all ways to lay the target along the source; arguments as `Seq2SeqNetwork`.

    A beam of 1 takes the best path, a larger one is a prefix search; scores are log probabilities, without a length penalty.

    Source: Rao, Peng, Sak and Beaufays, "Grapheme-to-Phoneme Conversion Using Long Short-Term Memory Recurrent Neural Networks",
    ICASSP 2015, doi:10.1109/ICASSP.2015.7178767.
    """

    def build(self) -> None:
        """As `Seq2SeqNetwork.build`."""
        model = self.model
        recurrent = self.layers(model.embedding_size, bidirectional=model.bidirectional)
        self.encoder = Encoder(len(self.source), recurrent, model.dropout, model.reverse_source, model.repeats)
        self.output = nn.Linear(recurrent.output_size, len(self.target) + 1)

    def forward(self, batch: PairBatch, gold_share: float = 1.0, draw: Draw | None = None) -> Float[Tensor, ""]:
        """As `Seq2SeqNetwork.forward`."""
        log_probs, steps = self.scores(batch.source, batch.source_lengths, draw)
        return ctc_loss(log_probs, steps, batch.written, batch.lengths - 1).sum() / batch.lengths.sum()

    def scores(
        self, source: Int[Tensor, "source B"], lengths: Int[Tensor, " B"], draw: Draw | None = None
    ) -> tuple[Float[Tensor, "T B C"], Int[Tensor, " B"]]:
        """Log probabilities of the blank and of each unit at each step, and the valid steps."""
        memory, _ = self.encoder(source, lengths, draw)
        return self.output(memory.values).log_softmax(-1), lengths * self.model.repeats

    def write(
        self, source: Int[Tensor, "source B"], lengths: Int[Tensor, " B"], search: Search
    ) -> list[list[tuple[tuple[int, ...], float, float]]]:
        """As `Seq2SeqNetwork.write`."""
        log_probs, steps = self.scores(source, lengths)
        log_probs = self.forbid_unknown(log_probs)
        if search.beam == search.n_best == 1:
            return [[(one.units, one.log_prob, one.log_prob)] for one in best_path(log_probs, steps)]
        found = prefix_beam(log_probs, steps, search.beam, search.n_best)
        return [[(one.units, one.log_prob, one.log_prob) for one in several] for several in found]
