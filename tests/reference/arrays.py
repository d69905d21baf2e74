"""The types and the one squashing function that the references share."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = dict[str, Array]


def sigmoid(z: Array) -> Array:
    """Logistic function 1 / (1 + e^-z), real or complex; Re z > -700, below which e^-z overflows."""
    return 1 / (1 + np.exp(-z))
