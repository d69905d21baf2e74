"""Anomaly scores of every step, and how well they find what was marked."""

import numpy as np
import torch
from jaxtyping import Bool, Float64

from carrousel.data.ragged import Ragged
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.series import Series, batch_of, windows_of

BATCH_SIZE = 256


@torch.no_grad()
def scores_of(network: AutoencoderNetwork, series: Series) -> Ragged:
    """The error of each step of each series: its mean over the windows, half a window apart, that hold it.

    A series of one step has no window and the score 0.
    """
    windows = windows_of(series, network.window, max(1, network.window // 2))
    total = [np.zeros(length) for length in series.values.lengths]
    count = [np.zeros(length) for length in series.values.lengths]
    is_training = network.training
    network.eval()
    device = next(network.parameters()).device
    for begin in range(0, len(windows), BATCH_SIZE):
        some = windows[begin : begin + BATCH_SIZE]
        x, lengths = batch_of(series, some)
        errors = network.errors(torch.from_numpy(x).to(device), torch.from_numpy(lengths)).cpu().numpy()
        for b, (k, start, length) in enumerate(some.tolist()):
            total[k][start : start + length] += errors[:length, b]
            count[k][start : start + length] += 1
    network.train(is_training)
    return Ragged.of([t / np.maximum(n, 1) for t, n in zip(total, count, strict=True)])


def detection(
    scores: Float64[np.ndarray, " N"], is_anomaly: Bool[np.ndarray, " N"], threshold: float
) -> dict[str, float]:
    """How well scores find the steps that are marked.

    Returns:
        precision, recall and f1 of the scores above the threshold; roc_auc, the probability that a marked step scores higher
        than another, ties counting half; average_precision, the area under precision over recall. Figures of which nothing
        is known (no marked step, or no other) are left out.
    """
    said = scores > threshold
    right = int((said & is_anomaly).sum())
    precision = right / max(1, int(said.sum()))
    recall = right / max(1, int(is_anomaly.sum()))
    found = {"precision": precision, "recall": recall, "f1": 2 * right / max(1, int(said.sum() + is_anomaly.sum()))}
    num_marked, num_others = int(is_anomaly.sum()), int((~is_anomaly).sum())
    if not num_marked or not num_others:
        return found
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # of equals, their mean
    auc = (ranks[is_anomaly].sum() - num_marked * (num_marked + 1) / 2) / (num_marked * num_others)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_anomaly[order])
    last = np.append(np.diff(-scores[order]) > 0, True)  # equals are taken together
    precisions = hits[last] / (np.flatnonzero(last) + 1)
    gains = np.diff(np.append(0, hits[last])) / num_marked
    return found | {"roc_auc": float(auc), "average_precision": float((precisions * gains).sum())}
