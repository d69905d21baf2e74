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

    read = network.source.encode(pairs.sources.strings).astype(
        np.int64
    )  # the network's number of each unit of the data
    written = network.target_ids(pairs.targets.strings)

    def batch(rows: Int64[np.ndarray, " B"], number: int) -> PairBatch:
        chosen: list[int] = rows.tolist()
        sources, targets = [read[pairs.sources.ids[k]] for k in chosen], [written[pairs.targets.ids[k]] for k in chosen]
        return network.batch_of_ids(sources, targets, number, chosen)

    lengths = pairs.sources.lengths + pairs.targets.lengths
    return BatchesOf(Bucketed(lengths, batch_size, seed), batch)
