"""What needs no network: the errors that the mean of each channel leaves, and those that principal components of a window leave."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from carrousel.data.stretches import BLOCK, Stretches
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.scores import figures_of, of_steps, over_windows, threshold_of
from carrousel.models.autoencoder.series import Series, batch_of, windows_of
from carrousel.train.kind import Figures

MOST = 1 << 22
"""Numbers that principal components are found from: of more windows, some at equal distances."""


class _Components(NamedTuple):
    centre: Float64[np.ndarray, " F"]
    axes: Float64[np.ndarray, "K F"]
    about: str


def baselines(
    network: AutoencoderNetwork, train: Series, valid: Series, size: int, quantile: float
) -> Mapping[str, tuple[Figures, str]]:
    """What the mean of each channel, and as many principal components of a window as a state has numbers, leave and find.

    Args:
        size: numbers of a state.
        quantile: part of the steps of the training data whose score lies below the threshold.
    """
    found: dict[str, tuple[Figures, str]] = {}
    steps = network.smoothing
    for name, (known, unseen, about) in plain_errors(network, train, valid, size).items():
        found[name] = (figures_of(unseen, valid, steps, threshold_of(known, train, steps, quantile)), about)
    return found


def plain_errors(
    network: AutoencoderNetwork, train: Series, others: Series, num_components: int
) -> Mapping[str, tuple[Stretches, Stretches, str]]:
    """Errors of each step of the training data and of other series, as `scores.errors_of` has them, and what left them.

    Args:
        network: its window and standardisation are used.
        train: what is learned.
        others: what is searched.
        num_components: at most.

    Returns:
        mean, and pca where the training data has two windows; steps in no whole window have the error that the mean leaves.
    """
    means = [of_steps(_squares(network, series), series.values.lengths) for series in (train, others)]
    found = {"mean": (means[0], means[1], "the mean of each channel in the training data")}
    if (learned := _components(network, train, num_components)) is not None:
        left = [
            of_steps(_left(network, series, learned, mean), series.values.lengths)
            for series, mean in zip((train, others), means, strict=True)
        ]
        found["pca"] = (left[0], left[1], learned.about)
    return found


def _squares(network: AutoencoderNetwork, series: Series) -> Iterator[Float64[np.ndarray, " T"]]:
    """The mean square of each step over its channels, standardised."""
    for block in series.values.blocks():
        yield np.square((block.astype(np.float64) - network.means) / network.deviations).mean(1)


def _components(network: AutoencoderNetwork, train: Series, most: int) -> _Components | None:
    """Principal components of windows, at most so many; None where there are not two windows."""
    seen, width = _whole_windows(network, train), network.window * len(network.means)
    enough = max(2, MOST // width)
    some = seen if len(seen) <= enough else seen[np.linspace(0, len(seen) - 1, enough).astype(np.int64)]
    count = min(most, len(some) - 1, width - 1)
    if count <= 0:
        return None
    many = _at_a_time(network)
    known = np.concatenate([_flat(network, train, some[k : k + many]) for k in range(0, len(some), many)])
    centre = known.mean(0)
    _, _, axes = np.linalg.svd(known - centre, full_matrices=False)
    about = f"{count} principal components of a window, as many numbers as one state of the model"
    if len(some) < len(seen):
        about += f", from {len(some):,} of {len(seen):,} windows"
    return _Components(centre, axes[:count], about)


def _left(
    network: AutoencoderNetwork, series: Series, learned: _Components, mean: Stretches
) -> Iterator[Float64[np.ndarray, " T"]]:
    """What the components leave of each step, the mean over the windows that hold it; where none does, what `mean` says."""

    def errors(windows: Int64[np.ndarray, "B 3"]) -> Float64[np.ndarray, "T B"]:
        z = _flat(network, series, windows) - learned.centre
        squares = np.square(z - z @ learned.axes.T @ learned.axes)
        return squares.reshape(len(windows), network.window, -1).mean(2).T

    begin = 0
    for part, is_held in over_windows(series, _whole_windows(network, series), _at_a_time(network), errors):
        end = begin + len(part)
        yield np.where(is_held, part, mean.values[begin:end])
        begin = end


def _whole_windows(network: AutoencoderNetwork, series: Series) -> Int64[np.ndarray, "N 3"]:
    windows = windows_of(series, network.window, max(1, network.window // 2))
    return windows[windows[:, 2] == network.window]


def _at_a_time(network: AutoencoderNetwork) -> int:
    return max(1, BLOCK // (network.window * len(network.means)))


def _flat(network: AutoencoderNetwork, series: Series, windows: Int64[np.ndarray, "B 3"]) -> Float64[np.ndarray, "B F"]:
    """These windows standardised, a row each."""
    x, lengths = batch_of(series, windows)
    z = (x.astype(np.float64) - network.means) / network.deviations
    return z.transpose(1, 0, 2).reshape(len(lengths), -1)
