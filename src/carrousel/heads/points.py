"""A head that gives one number for each target: the median or the mean, as its loss says."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carrousel.errors import ConfigError

LOSSES = {"absolute": (1.0, "median"), "squared": (2.0, "mean")}


class PointHead(nn.Module):
    """One number from features.

    Args:
        input_size: features.
        loss: "absolute", under which the median is best, or "squared", under which the mean is.

    Raises:
        ConfigError: an unknown loss.
    """

    def __init__(self, input_size: int, loss: str = "absolute") -> None:
        super().__init__()
        if loss not in LOSSES:
            raise ConfigError(f"PointHead: loss is {loss!r}, expected one of {', '.join(LOSSES)}. Choose one.")
        self.linear, self.power = nn.Linear(input_size, 1), LOSSES[loss][0]

    def forward(self, features: Float[Tensor, "*batch E"]) -> Float[Tensor, "*batch 1"]:
        """The number."""
        return self.linear(features)

    def loss(self, params: Float[Tensor, "*batch 1"], target: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Absolute or squared error of each target."""
        return (params[..., 0] - target).abs() ** self.power

    def shift(self, params: Float[Tensor, "*batch 1"], by: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 1"]:
        """The same forecast, so much higher."""
        return params + by[..., None]

    def point(self, params: Float[Tensor, "*batch 1"]) -> Float[Tensor, "*batch"]:
        """The number."""
        return params[..., 0]

    def quantiles(self, params: Tensor, levels: Tensor) -> Tensor:
        """There are none.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "PointHead: quantiles were asked for, expected a head that has some. Train with head=quantile, or with a distribution."
        )

    def sample(
        self, params: Float[Tensor, "*batch 1"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch"]:
        """The number: this head knows no spread."""
        return params[..., 0]

    def extra_repr(self) -> str:
        """What `print(head)` shows."""
        return next(name for name, (power, _) in LOSSES.items() if power == self.power)


Head = Any
"""What has `loss`, `shift`, `point`, `quantiles` and `sample`, as `PointHead`."""
