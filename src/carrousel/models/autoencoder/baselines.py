"""What needs no network: the errors that the mean of each channel leaves, and those that principal components of a window leave."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64

from carrousel.data.ragged import Ragged
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.series import Series, batch_of, windows_of


def plain_errors(
    network: AutoencoderNetwork, train: Series, others: Series, num_components: int
) -> Mapping[str, tuple[Ragged, Ragged, str]]:
    """Errors of each step of the training data and of other series, as `scores.errors_of` has them, and what left them.

    Args:
        network: its window and standardisation are used.
        train: what is learned.
        others: what is searched.
        num_components: at most.

    Returns:
        mean, and pca where the training data has two windows; steps in no whole window have the error that the mean leaves.
    """
    means = [_squares(network, series) for series in (train, others)]
    found = {"mean": (means[0], means[1], "the mean of each channel in the training data")}
    seen = _whole_windows(network, train, windows_of(train, network.window, max(1, network.window // 2)))
    count = min(num_components, len(seen) - 1, seen.shape[1] - 1)
    if count > 0:
        centre = seen.mean(0)
        _, _, axes = np.linalg.svd(seen - centre, full_matrices=False)
        left = [
            _left(network, series, centre, axes[:count], start)
            for series, start in zip((train, others), means, strict=True)
        ]
        about = f"{count} principal components of a window, as many numbers as one state of the model"
        found["pca"] = (left[0], left[1], about)
    return found


def _squares(network: AutoencoderNetwork, series: Series) -> Ragged:
    """The mean square of each step over its channels, standardised."""
    z = (series.values.values.astype(np.float64) - network.means) / network.deviations
    return Ragged(np.square(z).mean(1), series.values.offsets)


def _left(
    network: AutoencoderNetwork,
    series: Series,
    centre: Float64[np.ndarray, " F"],
    axes: Float64[np.ndarray, "K F"],
    start: Ragged,
) -> Ragged:
    """What the components leave of each step: the mean over the windows that hold it."""
    windows = windows_of(series, network.window, max(1, network.window // 2))
    windows = windows[windows[:, 2] == network.window]
    whole = _whole_windows(network, series, windows) - centre
    errors = np.square(whole - whole @ axes.T @ axes).reshape(len(windows), network.window, -1).mean(2)
    total, count = np.zeros(series.num_steps), np.zeros(series.num_steps)
    for (k, first, length), of_steps in zip(windows.tolist(), errors, strict=True):
        begin = int(series.values.offsets[k]) + first
        total[begin : begin + length] += of_steps
        count[begin : begin + length] += 1
    return Ragged(np.where(count > 0, total / np.maximum(count, 1), start.values), start.offsets)


def _whole_windows(
    network: AutoencoderNetwork, series: Series, windows: Int64[np.ndarray, "M 3"]
) -> Float64[np.ndarray, "N F"]:
    windows = windows[windows[:, 2] == network.window]
    if not len(windows):
        return np.zeros((0, network.window * len(network.means)))
    x, _ = batch_of(series, windows)
    z = (x.astype(np.float64) - network.means) / network.deviations
    return z.transpose(1, 0, 2).reshape(len(windows), -1)
