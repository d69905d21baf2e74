"""Anomaly scores of every step, and how well they find what was marked."""

import numpy as np
import torch
from jaxtyping import Bool, Float64

from carrousel.data.ragged import Ragged
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.series import Series, batch_of, marks_of, windows_of

BATCH_SIZE = 256


@torch.no_grad()
def errors_of(network: AutoencoderNetwork, series: Series) -> Ragged:
    """The error of each step of each series: its mean over the windows, half a window apart, that hold it.

    A series of one step has no window and the error 0.
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


def scores_of(network: AutoencoderNetwork, series: Series) -> Ragged:
    """How far each step of each series is from what was learned: the mean of the errors of `network.smoothing` steps around it."""
    return smoothed(errors_of(network, series), network.smoothing)


def smoothed(errors: Ragged, steps: int) -> Ragged:
    """The mean over so many steps around each step, fewer where a series begins or ends; of an even number, one more lies after it.

    >>> smoothed(Ragged.of([np.array([3.0, 0.0, 6.0, 0.0])]), 2)[0].tolist()
    [1.5, 3.0, 3.0, 0.0]
    """
    window = np.ones(steps)
    return Ragged.of([
        (np.convolve(one, window) / np.convolve(np.ones(len(one)), window))[steps // 2 :][: len(one)] if len(one) else one
        for one in errors
    ])  # fmt: skip


def threshold_of(errors: Ragged, series: Series, smoothing: int, quantile: float) -> float:
    """The score below which this part of the steps lies that are not marked as anomalies."""
    scores = smoothed(errors, smoothing).values
    return float(np.quantile(scores if series.labels is None else scores[~marks_of(series)], quantile))


def figures_of(errors: Ragged, series: Series, smoothing: int, threshold: float) -> dict[str, float]:
    """The mean error of the steps that are not marked as anomalies, and where some are marked, what `detection` says."""
    if series.labels is None or marks_of(series).all():
        found = {"mse": float(errors.values.mean())}
    else:
        found = {"mse": float(errors.values[~marks_of(series)].mean())}
    if series.labels is not None:
        found |= detection(smoothed(errors, smoothing).values, marks_of(series), threshold)
    return found


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
