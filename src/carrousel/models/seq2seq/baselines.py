"""What a sequence-to-sequence model has to beat: answers that look at one unit of the source at a time."""

import numpy as np
from jaxtyping import Int64

from carrousel.data.tokens import Tokens
from carrousel.models.seq2seq.units import Pairs

MAX_LINKS = 5_000_000
ROUNDS = 10


def unit_for_unit(train: Pairs) -> dict[str, str]:
    """For each source unit the target unit that it most often stands for; units that mostly stand for none are left out.

    What stands for what is estimated from the pairs by expectation maximisation.

    Source: Brown, Della Pietra, Della Pietra and Mercer, "The Mathematics of Statistical Machine Translation", Computational
    Linguistics 19(2), 1993, model 1, without its empty word.
    """
    sources, targets = (Tokens.of_counts(sides.counts(), specials=()) for sides in (train.sources, train.targets))
    if not len(targets):
        return {}
    read, written, group, occurs = _links(train, sources, targets)
    keys, link = np.unique(read * len(targets) + written, return_inverse=True)
    source_of, target_of = np.divmod(keys, len(targets))
    probability = counts = np.ones(len(keys))
    for _ in range(ROUNDS):
        share = probability[link]
        share /= np.bincount(group, share)[group]
        counts = np.bincount(link, share, len(keys))
        probability = counts / np.bincount(source_of, counts)[source_of]
    made = np.bincount(source_of, counts, len(sources)) / np.maximum(occurs, 1)
    best = {source_of[k]: target_of[k] for k in np.lexsort((counts, source_of))}  # the likeliest of each comes last
    return {sources.strings[s]: targets.strings[t] for s, t in best.items() if made[s] >= 0.5}


def _links(train: Pairs, sources: Tokens, targets: Tokens) -> tuple[Int64[np.ndarray, " N"], ...]:
    """Each source unit beside each target unit of its pair, in as many of the first pairs as make `MAX_LINKS`.

    Returns:
        Numbers of the source units, of the target units, of the places these stand at, and how often each source unit occurs.
    """
    read: list[np.ndarray] = []
    written: list[np.ndarray] = []
    group: list[np.ndarray] = []
    occurs, num_links, num_places = np.zeros(len(sources), np.int64), 0, 0
    for one, other in zip(train.sources, train.targets, strict=True):
        source, target = (tokens.encode(side).astype(np.int64) for tokens, side in ((sources, one), (targets, other)))
        np.add.at(occurs, source, 1)
        read.append(np.tile(source, len(target)))
        written.append(np.repeat(target, len(source)))
        group.append(np.repeat(np.arange(num_places, num_places + len(target)), len(source)))
        num_links, num_places = num_links + len(read[-1]), num_places + len(target)
        if num_links >= MAX_LINKS:
            break
    return *(np.concatenate(parts) for parts in (read, written, group)), occurs
