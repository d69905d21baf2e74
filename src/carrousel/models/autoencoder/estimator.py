"""An autoencoder in three lines of Python."""

from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float64

from carrousel.models.autoencoder.kind import KIND
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.reading import read_series
from carrousel.models.autoencoder.scores import scores_of
from carrousel.models.autoencoder.series import of_objects
from carrousel.models.estimator import Estimator


class Autoencoder(Estimator):
    """Series through a bottleneck and back: errors that are large where a series is not what it was in training.

    >>> Autoencoder(cell="gru", window=64).settings.data.window
    64
    """

    model_kind = KIND
    Network = AutoencoderNetwork

    def predict(self, data: Any) -> list[Float64[np.ndarray, " T"]]:
        """The score of each step of each series: the mean error of the steps around it (`smoothing`).

        Args:
            data: the path of a table, one array (T, D) or (T,), or a list of them.
        """
        network = cast(AutoencoderNetwork, self.network)
        where = "Autoencoder"
        if isinstance(data, str | Path):
            series = read_series(Path(data), network.columns, where, is_labelled=False)
        else:
            series = of_objects(data, where)
        return list(scores_of(network, series))

    @property
    def threshold(self) -> float:
        """The score above which a step counts as an anomaly, fitted on the training data."""
        return float(self.network.get_buffer("threshold"))
