"""Anomaly scores of every step, and how well they find what was marked."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from carrousel.data import kept
from carrousel.data.kept import Writer
from carrousel.data.ragged import Ragged
from carrousel.data.stretches import BLOCK, Stretches
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.series import Series, batch_of, windows_of

BATCH_SIZE = 256


@torch.no_grad()
def scores_of(network: AutoencoderNetwork, series: Series) -> Stretches:
    """The error of each step of each series: its mean over the windows, half a window apart, that hold it.

    A series of one step has no window and the score 0. Scores of more than 256 MB are kept in temporary files.
    """

    def make(writer: Writer) -> Mapping[str, Any]:
        with writer.array("scores", np.float64) as scores:
            for part in _scores(network, series, offsets):
                scores.append(part)
        return {}

    is_training, offsets = network.training, np.append(0, np.cumsum(series.values.lengths))
    network.eval()
    is_much = series.num_steps * np.dtype(np.float64).itemsize > kept.LARGE
    found = kept.in_temporary_files(make) if is_much else kept.in_memory(make)
    network.train(is_training)
    return Stretches.of(Ragged(found["scores"].values, offsets))


def _scores(
    network: AutoencoderNetwork, series: Series, offsets: Int64[np.ndarray, " num_offsets"]
) -> Iterator[Float64[np.ndarray, " T"]]:
    """All scores in order, in parts. No window begins before the one before it: what lies before a window is done."""
    windows, device = windows_of(series, network.window, max(1, network.window // 2)), next(network.parameters()).device
    done, total, count = 0, np.zeros(0), np.zeros(0)
    for begin in range(0, len(windows), BATCH_SIZE):
        some = windows[begin : begin + BATCH_SIZE]
        places = offsets[some[:, 0]] + some[:, 1]
        ready = int(places[0]) - done
        more = np.zeros(max(0, int((places + some[:, 2]).max()) - done - len(total)))
        total, count = np.append(total, more), np.append(count, more)
        yield total[:ready] / np.maximum(count[:ready], 1)
        done, total, count = done + ready, total[ready:], count[ready:]
        x, lengths = batch_of(series, some)
        errors = network.errors(torch.from_numpy(x).to(device), torch.from_numpy(lengths)).cpu().numpy()
        for b, (place, length) in enumerate(zip((places - done).tolist(), some[:, 2].tolist(), strict=True)):
            total[place : place + length] += errors[:length, b]
            count[place : place + length] += 1
    yield total / np.maximum(count, 1)
    yield np.zeros(int(offsets[-1]) - done - len(total))


def detection(
    scores: Float64[np.ndarray, " N"], is_anomaly: Bool[np.ndarray, " N"], threshold: float
) -> dict[str, float]:
    """How well scores find the steps that are marked; of arrays in memory or mapped, of which only the marked steps are held.

    Returns:
        precision, recall and f1 of the scores above the threshold; roc_auc, the probability that a marked step scores higher
        than another, ties counting half; average_precision, the area under precision over recall. Figures of which nothing
        is known (no marked step, or no other) are left out.
    """
    blocks = [slice(begin, begin + BLOCK) for begin in range(0, len(scores), BLOCK)]
    marked = np.sort(np.concatenate([np.zeros(0), *(scores[block][is_anomaly[block]] for block in blocks)]))
    num_said = sum(int((scores[block] > threshold).sum()) for block in blocks)
    right = int((marked > threshold).sum())
    num_marked, num_others = len(marked), len(scores) - len(marked)
    precision, recall = right / max(1, num_said), right / max(1, num_marked)
    found = {"precision": precision, "recall": recall, "f1": 2 * right / max(1, num_said + num_marked)}
    if not num_marked or not num_others:
        return found
    # Of the other steps it is enough to know how many lie below, or as high as, each score of a marked one.
    values, hits = np.unique(marked, return_counts=True)
    below, up_to = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    for block in blocks:
        others = np.sort(scores[block][~is_anomaly[block]])
        below += np.searchsorted(others, values, "left")
        up_to += np.searchsorted(others, values, "right")
    auc = float((hits * (below + up_to)).sum()) / 2 / (num_marked * num_others)
    found_at = hits[::-1].cumsum()[::-1]  # marked steps that score as high, or higher
    precisions = found_at / (found_at + num_others - below)
    return found | {"roc_auc": auc, "average_precision": float((precisions * hits).sum() / num_marked)}
