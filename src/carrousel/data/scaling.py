"""Shift and scale of the channels of series, fitted on the training part only, kept as JSON, and their inverse."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from carrousel.data.moments import moments, quantiles
from carrousel.data.ragged import Ragged
from carrousel.data.stretches import Stretches
from carrousel.errors import ConfigError

METHODS = ("standard", "robust", "min-max", "none")
NORMAL_IQR = 1.3489795003921634  # distance of the quartiles of a normal distribution with standard deviation 1


@dataclass(frozen=True, eq=False)
class Scaling:
    """Scaled = (value - shift) / scale, channel by channel, for all series alike or for each by its name.

    - standard: mean and standard deviation
    - robust: median, and the distance of the quartiles divided by 1.349, which is the standard deviation of normal values
    - min-max: smallest value, and distance to the largest, so that training values lie in 0 to 1
    - none: 0 and 1

    A channel whose values are all alike has scale 1; one without a value has shift 0 and scale 1.

    Attributes:
        method: how shift and scale were found.
        shift, scale: (1, C) for all series alike, else (num_series, C).
        names: of the series; empty for all alike.

    >>> scaling = Scaling.fit(Ragged.of([np.array([[1.0], [3.0], [99.0]])]), np.array([2]))
    >>> scaling.shift, scaling.scale
    (array([[2.]]), array([[1.]]))
    """

    method: str
    shift: Float64[np.ndarray, "num_series C"]
    scale: Float64[np.ndarray, "num_series C"]
    names: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        values: Ragged,
        train_ends: Int64[np.ndarray, " num_series"],
        method: str = "standard",
        names: Sequence[str] = (),
    ) -> "Scaling":
        """From the steps of each series before its `train_ends`; NaN is left out.

        Args:
            values: (num_steps, C).
            train_ends: where each series' training part ends; what comes after is not looked at.
            method: standard, robust, min-max or none.
            names: of the series, for a scaling of each by itself; none for one of all together.

        Raises:
            ConfigError: an unknown method.
        """
        if method not in METHODS:
            raise ConfigError(f"Scaling: method is {method!r}, expected one of {', '.join(METHODS)}. Choose one.")
        known = Stretches.of(values).cut(train_ends * 0, train_ends)
        groups = [known.some(np.array([k])) for k in range(len(known))] if names else [known]
        found = [[_fit(group.column(c), method) for c in range(values.values.shape[1])] for group in groups]
        shift, scale = np.moveaxis(np.array(found, np.float64).reshape(len(groups), -1, 2), 2, 0)
        return cls(method, shift, scale, tuple(names))

    def rows(self, names: Sequence[str], values: Ragged, ends: Int64[np.ndarray, " num_series"]) -> "Scaling":
        """The scaling of these series, in their order; a series that was not there is fitted on its steps before `ends`.

        Args:
            names: of the series.
            values: of the series.
            ends: of what is known of them.
        """
        if not self.names:
            return self
        places = {name: k for k, name in enumerate(self.names)}
        own = Scaling.fit(values, ends, self.method, tuple(names))
        for k, name in enumerate(names):
            if name in places:
                own.shift[k], own.scale[k] = self.shift[places[name]], self.scale[places[name]]
        return own

    def apply(self, values: Float[np.ndarray, "T C"], k: int = 0) -> Float[np.ndarray, "T C"]:
        """Values of series k, scaled."""
        row = k if self.names else 0
        return (values - self.shift[row]) / self.scale[row]

    def inverse(self, scaled: Float[np.ndarray, "T C"], k: int = 0) -> Float[np.ndarray, "T C"]:
        """What `apply` was given."""
        row = k if self.names else 0
        return scaled * self.scale[row] + self.shift[row]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "method": self.method,
            "shift": self.shift.tolist(),
            "scale": self.scale.tolist(),
            "names": list(self.names),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Scaling":
        """What `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        shift, scale = (np.array(found[name], np.float64).reshape(len(found[name]), -1) for name in ("shift", "scale"))
        if shift.shape != scale.shape or len(shift) != max(1, len(found["names"])):
            raise ValueError(f"shift {shift.shape} and scale {scale.shape} of {len(found['names'])} series")
        return cls(str(found["method"]), shift, scale, tuple(found["names"]))


def _fit(values: Stretches, method: str) -> tuple[float, float]:
    def seen() -> Iterator[Float64[np.ndarray, " T"]]:
        return (block[~np.isnan(block)] for block in values.blocks())

    if method == "none" or not any(len(block) for block in seen()):
        return 0.0, 1.0
    if method == "standard":
        shift, scale = (float(found) for found in moments(seen))
    elif method == "robust":
        low, shift, high = quantiles(seen, [0.25, 0.5, 0.75]).tolist()
        scale = (high - low) / NORMAL_IQR
    else:
        shift = min(float(block.min(initial=np.inf)) for block in seen())
        scale = max(float(block.max(initial=-np.inf)) for block in seen()) - shift
    return shift, scale if scale > 1e-12 * max(1.0, abs(shift)) else 1.0
