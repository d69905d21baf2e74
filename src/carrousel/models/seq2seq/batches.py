"""Pairs in batches of like length, as a network reads them."""

import numpy as np
from jaxtyping import Int64

from carrousel.data.batches import BatchesOf, Bucketed
from carrousel.models.seq2seq.network import PairBatch, Seq2SeqNetwork
from carrousel.models.seq2seq.units import Pairs


def pair_batches(pairs: Pairs, network: Seq2SeqNetwork, batch_size: int, seed: int) -> BatchesOf[PairBatch]:
    """Batches of pairs whose source and target together are about as long.

    Args:
        pairs: to learn from.
        network: that reads them: its vocabularies, and its device.
        batch_size: pairs in a batch.
        seed: draws the order.
    """

    def batch(rows: Int64[np.ndarray, " B"], number: int) -> PairBatch:
        chosen: list[int] = rows.tolist()
        sources, targets = ([side[k] for k in chosen] for side in (pairs.sources, pairs.targets))
        return network.batch(sources, targets, number, chosen)

    lengths = np.array([len(one) + len(other) for one, other in zip(pairs.sources, pairs.targets, strict=True)])
    return BatchesOf(Bucketed(lengths, batch_size, seed), batch)
