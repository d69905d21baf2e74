"""What an autoencoder has to beat: the means, and as many principal components of a window as its state has numbers."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float64, Int64

from carrousel.data.stretches import BLOCK
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.series import Series, batch_of, windows_of
from carrousel.train.kind import Figures

MOST = 1 << 22
"""Numbers that principal components are found from: of more windows, some at equal distances."""


def baselines(
    network: AutoencoderNetwork, train: Series, valid: Series, size: int
) -> Mapping[str, tuple[Figures, str]]:
    """Figures on the whole windows of the held-out part."""
    found: dict[str, tuple[Figures, str]] = {}
    seen, unseen = _whole_windows(network, train), _whole_windows(network, valid)
    if not len(unseen):
        return found
    width = network.window * len(network.means)
    squares = sum(float(np.square(z).sum()) for z in _standardised(network, valid, unseen))
    found["mean"] = ({"mse": squares / (len(unseen) * width)}, "the mean of each channel in the training data")
    most = max(2, MOST // width)
    some = seen if len(seen) <= most else seen[np.linspace(0, len(seen) - 1, most).astype(np.int64)]
    components = min(size, len(some) - 1, width - 1)
    if components > 0:
        known = np.concatenate(list(_standardised(network, train, some)))
        centre = known.mean(0)
        _, _, basis = np.linalg.svd(known - centre, full_matrices=False)
        basis, squares = basis[:components], 0.0
        for z in _standardised(network, valid, unseen):
            squares += float(np.square(z - (z - centre) @ basis.T @ basis - centre).sum())
        about = f"{components} principal components of a window, as many numbers as one state of the model"
        if len(some) < len(seen):
            about += f", from {len(some):,} of {len(seen):,} windows"
        found["pca"] = ({"mse": squares / (len(unseen) * width)}, about)
    return found


def _whole_windows(network: AutoencoderNetwork, series: Series) -> Int64[np.ndarray, "N 3"]:
    windows = windows_of(series, network.window, max(1, network.window // 2))
    return windows[windows[:, 2] == network.window]


def _standardised(
    network: AutoencoderNetwork, series: Series, windows: Int64[np.ndarray, "N 3"]
) -> Iterator[Float64[np.ndarray, "B F"]]:
    """These windows, a row each, some at a time."""
    many = max(1, BLOCK // (network.window * len(network.means)))
    for begin in range(0, len(windows), many):
        x, lengths = batch_of(series, windows[begin : begin + many])
        z = (x.astype(np.float64) - network.means) / network.deviations
        yield z.transpose(1, 0, 2).reshape(len(lengths), -1)
