"""Heads that give a distribution of each target: Gaussian, Laplace, Student's t. Log-probability, quantiles, draws, CRPS.

All three are location-scale families: y = loc + scale · z with z of a standard form. `params` are (..., 2), loc and scale, or
(..., 3) with the degrees of freedom.

CRPS, the continuous ranked probability score ∫ (F(x) - 1[x ≥ y])² dx, is in the target's unit; of a point forecast it is the
absolute error.

Source: Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 102, 2007, eq. 21 (Gaussian CRPS);
Jordan, Krüger and Lerch, "Evaluating Probabilistic Forecasts with scoringRules", J. Stat. Softw. 90, 2019 (Laplace, Student's t).
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from carrousel.errors import ConfigError

SMALLEST_SCALE = 1e-4
FEWEST_FREEDOM, MOST_FREEDOM = 2.1, 200.0  # above 2 there is a variance; at 200 it is all but Gaussian
_NODES, _WEIGHTS = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(48))


class Gaussian:
    """z of the standard normal distribution."""

    num_params = 2

    @staticmethod
    def log_prob(z: Tensor, freedom: Tensor | None) -> Tensor:
        """Log-density."""
        return -0.5 * z**2 - 0.5 * math.log(2 * math.pi)

    @staticmethod
    def cdf(z: Tensor, freedom: Tensor | None) -> Tensor:
        """P(Z ≤ z)."""
        return _normal_cdf(z)

    @staticmethod
    def quantile(levels: Tensor, freedom: Tensor | None) -> Tensor:
        """z with P(Z ≤ z) = level."""
        return math.sqrt(2) * torch.erfinv(2 * levels - 1)

    @staticmethod
    def crps(z: Tensor, freedom: Tensor | None) -> Tensor:
        """z (2 Φ(z) - 1) + 2 φ(z) - 1/√π."""
        density = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        return z * (2 * _normal_cdf(z) - 1) + 2 * density - 1 / math.sqrt(math.pi)


class Laplace:
    """z of the density exp(-|z|) / 2."""

    num_params = 2

    @staticmethod
    def log_prob(z: Tensor, freedom: Tensor | None) -> Tensor:
        """Log-density."""
        return -z.abs() - math.log(2)

    @staticmethod
    def cdf(z: Tensor, freedom: Tensor | None) -> Tensor:
        """P(Z ≤ z)."""
        tail = 0.5 * torch.exp(-z.abs())
        return torch.where(z < 0, tail, 1 - tail)

    @staticmethod
    def quantile(levels: Tensor, freedom: Tensor | None) -> Tensor:
        """z with P(Z ≤ z) = level."""
        return -torch.sign(levels - 0.5) * torch.log1p(-2 * (levels - 0.5).abs())

    @staticmethod
    def crps(z: Tensor, freedom: Tensor | None) -> Tensor:
        """|z| + exp(-|z|) - 3/4."""
        return z.abs() + torch.exp(-z.abs()) - 0.75


class StudentT:
    """z of Student's t with ν degrees of freedom."""

    num_params = 3

    @staticmethod
    def log_prob(z: Tensor, freedom: Tensor | None) -> Tensor:
        """Log-density: log Γ((ν+1)/2) - log Γ(ν/2) - log(πν)/2 - (ν+1)/2 · log(1 + z²/ν)."""
        assert freedom is not None
        scale = torch.lgamma((freedom + 1) / 2) - torch.lgamma(freedom / 2) - 0.5 * torch.log(math.pi * freedom)
        return scale - (freedom + 1) / 2 * torch.log1p(z**2 / freedom)

    @staticmethod
    def cdf(z: Tensor, freedom: Tensor | None) -> Tensor:
        """P(Z ≤ z), with z = √ν tan θ: 1/2 + C ∫ cos^{ν-1} over 0 to θ, by a Gauss-Legendre rule."""
        assert freedom is not None
        angle = torch.atan(z / freedom.sqrt())
        return 0.5 + _angle_density(freedom) * _integral(angle, freedom)

    @staticmethod
    def quantile(levels: Tensor, freedom: Tensor | None) -> Tensor:
        """z with P(Z ≤ z) = level, by bisection of the angle."""
        assert freedom is not None
        levels = levels + torch.zeros_like(freedom)
        low, high = torch.full_like(levels, -math.pi / 2), torch.full_like(levels, math.pi / 2)
        wanted = (levels - 0.5) / _angle_density(freedom)
        for _ in range(50):
            middle = (low + high) / 2
            is_below = _integral(middle, freedom) < wanted
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
        return freedom.sqrt() * torch.tan((low + high) / 2)

    @staticmethod
    def draw(uniform: Float[Tensor, "two *batch"], freedom: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """z from two uniform numbers: √(ν (u^{-2/ν} - 1)) cos 2πv.

        Source: Bailey, "Polar Generation of Random Variates with the t-Distribution", Mathematics of Computation 62, 1994.
        """
        u, v = uniform
        return (freedom * torch.expm1(-2 / freedom * torch.log(u))).sqrt() * torch.cos(2 * math.pi * v)

    @staticmethod
    def crps(z: Tensor, freedom: Tensor | None) -> Tensor:
        """z (2 F(z) - 1) + 2 f(z) (ν + z²)/(ν - 1) - 2 √ν/(ν - 1) · B(1/2, ν - 1/2) / B(1/2, ν/2)²."""
        assert freedom is not None
        density = torch.exp(StudentT.log_prob(z, freedom))
        half = torch.tensor(0.5, dtype=z.dtype)
        spread = torch.exp(_log_beta(half, freedom - 0.5) - 2 * _log_beta(half, freedom / 2))
        first = z * (2 * StudentT.cdf(z, freedom) - 1) + 2 * density * (freedom + z**2) / (freedom - 1)
        return first - 2 * freedom.sqrt() / (freedom - 1) * spread


FAMILIES = {"gaussian": Gaussian, "laplace": Laplace, "student-t": StudentT}


class DistributionHead(nn.Module):
    """Location, scale and, for Student's t, degrees of freedom from features.

    The scale is softplus of a linear layer plus 1e-4; the degrees of freedom are 2.1 plus softplus, at most 200.

    Args:
        input_size: features.
        family: "gaussian", "laplace" or "student-t".

    Raises:
        ConfigError: an unknown family.
    """

    def __init__(self, input_size: int, family: str = "student-t") -> None:
        super().__init__()
        if family not in FAMILIES:
            raise ConfigError(
                f"DistributionHead: family is {family!r}, expected one of {', '.join(FAMILIES)}. Choose one."
            )
        self.family_name, self.family = family, FAMILIES[family]
        self.linear = nn.Linear(input_size, self.family.num_params)

    def forward(self, features: Float[Tensor, "*batch E"]) -> Float[Tensor, "*batch num_params"]:
        """Location, scale, degrees of freedom."""
        raw = self.linear(features)
        parts = [raw[..., 0], nn.functional.softplus(raw[..., 1]) + SMALLEST_SCALE]
        if self.family.num_params == 3:
            parts.append((FEWEST_FREEDOM + nn.functional.softplus(raw[..., 2] + 3)).clamp(max=MOST_FREEDOM))
        return torch.stack(parts, -1)

    def loss(
        self, params: Float[Tensor, "*batch num_params"], target: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """-log p(target), nats."""
        return -self.log_prob(params, target)

    def log_prob(
        self, params: Float[Tensor, "*batch num_params"], target: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """log p(target), nats."""
        loc, scale, freedom = _parts(params)
        return self.family.log_prob((target - loc) / scale, freedom) - torch.log(scale)

    def shift(
        self, params: Float[Tensor, "*batch num_params"], by: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch num_params"]:
        """The same forecast, so much higher."""
        return torch.cat([params[..., :1] + by[..., None], params[..., 1:]], -1)

    def point(self, params: Float[Tensor, "*batch num_params"]) -> Float[Tensor, "*batch"]:
        """The median, which is the mean, too."""
        return params[..., 0]

    def quantiles(
        self, params: Float[Tensor, "*batch num_params"], levels: Float[Tensor, " num_levels"]
    ) -> Float[Tensor, "*batch num_levels"]:
        """The values below which the target lies with these probabilities."""
        loc, scale, freedom = _parts(params.double())
        z = self.family.quantile(levels.double(), None if freedom is None else freedom[..., None])
        return (loc[..., None] + scale[..., None] * z).to(params.dtype)

    def sample(
        self, params: Float[Tensor, "*batch num_params"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "*batch"]:
        """One draw for each target."""
        loc, scale, freedom = _parts(params.double())
        uniform = torch.rand((2, *loc.shape), generator=generator, dtype=torch.float64)
        uniform = uniform.to(loc.device).clamp(1e-12, 1 - 1e-12)
        z = self.family.quantile(uniform[0], None) if freedom is None else StudentT.draw(uniform, freedom)
        return (loc + scale * z).to(params.dtype)

    def crps(
        self, params: Float[Tensor, "*batch num_params"], target: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """CRPS of each target in closed form, in the target's unit."""
        loc, scale, freedom = _parts(params.double())
        return (scale * self.family.crps((target - loc) / scale, freedom)).to(params.dtype)

    def extra_repr(self) -> str:
        """What `print(head)` shows."""
        return self.family_name


def sample_crps(
    samples: Float[Tensor, "num_samples *batch"], target: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """CRPS from draws: E|X - y| - E|X - X'|/2, the second over pairs of different draws, so that it is right on average.

    Source: Gneiting and Raftery 2007, eq. 20; without the bias of few draws: Ferro, Richardson and Weigel, "On the effect of
    ensemble size on the discrete and continuous ranked probability scores", Meteorol. Appl. 15, 2008.

    >>> sample_crps(torch.tensor([[1.0], [2.0]]), torch.tensor([0.0]))
    tensor([1.])
    """
    number = len(samples)
    ordered = samples.sort(0).values
    ranks = torch.arange(number, dtype=samples.dtype, device=samples.device).reshape(-1, *[1] * target.ndim)
    apart = ((2 * ranks - number + 1) * ordered).sum(0) / max(1, number * (number - 1))
    return (samples - target).abs().mean(0) - apart


def _parts(params: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    return params[..., 0], params[..., 1], params[..., 2] if params.shape[-1] == 3 else None


def _normal_cdf(z: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-z / math.sqrt(2))


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def _angle_density(freedom: Tensor) -> Tensor:
    """Density of the angle at 0: Γ((ν+1)/2) / (√π Γ(ν/2))."""
    return torch.exp(torch.lgamma((freedom + 1) / 2) - torch.lgamma(freedom / 2)) / math.sqrt(math.pi)


def _integral(angle: Tensor, freedom: Tensor) -> Tensor:
    """∫ cos^{ν-1} over 0 to the angle, by Gauss-Legendre; at ν = 200 the rule is right to 1e-12."""
    nodes, weights = _NODES.to(angle), _WEIGHTS.to(angle)
    points = angle[..., None] / 2 * (nodes + 1)
    return (torch.cos(points).clamp(min=0) ** (freedom[..., None] - 1) * weights).sum(-1) * angle / 2
