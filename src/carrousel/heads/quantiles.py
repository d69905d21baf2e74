"""Quantile regression: several quantiles of a target at once, which never cross."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carrousel.errors import ConfigError


def pinball(
    quantiles: Float[Tensor, "*batch num_levels"], target: Float[Tensor, "*batch"], levels: Float[Tensor, " num_levels"]
) -> Float[Tensor, "*batch num_levels"]:
    """Pinball loss of each quantile q at its level a: a (y - q) where y ≥ q, (1 - a) (q - y) where y < q.

    Its expectation is smallest at the true quantile.

    Source: Koenker and Bassett, "Regression Quantiles", Econometrica 46, 1978.

    >>> pinball(torch.tensor([1.0, 4.0]), torch.tensor(3.0), torch.tensor([0.25, 0.75]))
    tensor([0.5000, 0.2500])
    """
    above = target[..., None] - quantiles
    return torch.maximum(levels * above, (levels - 1) * above)


class QuantileHead(nn.Module):
    """Quantiles from features, in rising order.

    Args:
        input_size: features.
        levels: rising, each between 0 and 1.
        crossing: how order is kept: "sort" sorts what a linear layer gives; "softplus" adds positive steps, softplus of what the
            layer gives, to the lowest quantile.

    Raises:
        ConfigError: levels that do not rise or lie outside 0 to 1, or an unknown way.

    Source of sorting: Chernozhukov, Fernández-Val and Galichon, "Quantile and Probability Curves Without Crossing", Econometrica
    78, 2010.
    """

    def __init__(self, input_size: int, levels: Sequence[float], crossing: str = "sort") -> None:
        super().__init__()
        if not levels or list(levels) != sorted(set(levels)) or not 0 < levels[0] <= levels[-1] < 1:
            raise ConfigError(
                f"QuantileHead: levels are {list(levels)}, expected rising numbers between 0 and 1. Give such as [0.1, 0.5, 0.9]."
            )
        if crossing not in ("sort", "softplus"):
            raise ConfigError(f"QuantileHead: crossing is {crossing!r}, expected one of sort, softplus. Choose one.")
        self.linear, self.crossing = nn.Linear(input_size, len(levels)), crossing
        self.levels: Tensor
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float64), persistent=False)

    def forward(self, features: Float[Tensor, "*batch E"]) -> Float[Tensor, "*batch num_levels"]:
        """The quantiles at `levels`."""
        raw = self.linear(features)
        if self.crossing == "sort":
            return raw.sort(-1).values
        return torch.cat([raw[..., :1], nn.functional.softplus(raw[..., 1:])], -1).cumsum(-1)

    def loss(
        self, params: Float[Tensor, "*batch num_levels"], target: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Mean pinball loss over the levels, of each target."""
        return pinball(params, target, self.levels.to(params.dtype)).mean(-1)

    def shift(
        self, params: Float[Tensor, "*batch num_levels"], by: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch num_levels"]:
        """The same forecast, so much higher."""
        return params + by[..., None]

    def point(self, params: Float[Tensor, "*batch num_levels"]) -> Float[Tensor, "*batch"]:
        """The median, or what lies nearest to it."""
        return interpolate(params, self.levels, self.levels.new_tensor([0.5]).clamp(self.levels[0], self.levels[-1]))[
            ..., 0
        ]

    def quantiles(
        self, params: Float[Tensor, "*batch num_levels"], levels: Float[Tensor, " num_wanted"]
    ) -> Float[Tensor, "*batch num_wanted"]:
        """Quantiles at other levels, on straight lines between those that were learned.

        Raises:
            ConfigError: a level lies outside those that were learned.
        """
        lowest, highest = self.levels[0].item(), self.levels[-1].item()
        if levels.min() < lowest - 1e-9 or levels.max() > highest + 1e-9:
            raise ConfigError(
                f"QuantileHead: quantiles {levels.min():g} to {levels.max():g} were asked for, expected {lowest:g} to {highest:g}, "
                "which were learned. Ask for narrower intervals, or train with wider ones: model.level."
            )
        return interpolate(params, self.levels, levels.to(self.levels))

    def sample(
        self, params: Float[Tensor, "*batch num_levels"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch"]:
        """A draw from the distribution with straight lines between the quantiles; below and above them, the outermost."""
        draws = torch.rand(params.shape[:-1], generator=generator, dtype=torch.float64).to(params.device)
        levels = draws.clamp(self.levels[0], self.levels[-1])
        right = torch.searchsorted(self.levels, levels).clamp(1, max(1, len(self.levels) - 1))
        if len(self.levels) == 1:
            return params[..., 0]
        return _between(params, self.levels, levels[..., None], right[..., None])[..., 0]


def interpolate(
    quantiles: Float[Tensor, "*batch num_levels"],
    levels: Float[Tensor, " num_levels"],
    wanted: Float[Tensor, " num_wanted"],
) -> Float[Tensor, "*batch num_wanted"]:
    """Quantiles at wanted levels within the known ones, on straight lines between them."""
    if len(levels) == 1:
        return quantiles.expand(*quantiles.shape[:-1], len(wanted))
    wanted = wanted.to(levels).clamp(levels[0], levels[-1])
    right = torch.searchsorted(levels, wanted).clamp(1, len(levels) - 1)
    shape = (*quantiles.shape[:-1], len(wanted))
    return _between(quantiles, levels, wanted.expand(shape), right.expand(shape))


def _between(quantiles: Tensor, levels: Tensor, wanted: Tensor, right: Tensor) -> Tensor:
    low, high = quantiles.gather(-1, right - 1), quantiles.gather(-1, right)
    part = ((wanted - levels[right - 1]) / (levels[right] - levels[right - 1])).to(quantiles.dtype)
    return low + part * (high - low)
