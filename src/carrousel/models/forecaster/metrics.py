"""Figures of forecasts. Steps whose y is NaN are left out; a figure of nothing is NaN."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

BLOCK = 1 << 19  # steps looked at together
Steps = Float[np.ndarray, "..."]


@dataclass
class Mean:
    """The mean of numbers that come in several lots, NaN left out; NaN where there is none."""

    total: float = 0.0
    count: int = 0

    def add(self, values: Steps) -> None:
        """Take some more."""
        found = values[~np.isnan(values)]
        self.total, self.count = self.total + float(found.sum()), self.count + len(found)

    @property
    def value(self) -> float:
        """Of all so far."""
        return self.total / self.count if self.count else float("nan")


def mae(y: Steps, forecast: Steps) -> float:
    """Mean absolute error, in the unit of y."""
    return _mean(np.abs(y - forecast))


def rmse(y: Steps, forecast: Steps) -> float:
    """Root of the mean squared error, in the unit of y."""
    return float(np.sqrt(_mean((y - forecast) ** 2)))


def smape(y: Steps, forecast: Steps) -> float:
    """Mean of 200 |y - ŷ| / (|y| + |ŷ|), 0 to 200 percent; a step with y = ŷ = 0 counts 0.

    Source: Makridakis, Spiliotis and Assimakopoulos, "The M4 Competition", Int. J. Forecasting 36, 2020.
    """
    return _mean(smape_of_steps(y, forecast))


def smape_of_steps(y: Steps, forecast: Steps) -> Steps:
    """What `smape` is the mean of."""
    size = np.abs(y) + np.abs(forecast)
    return np.where(size == 0, 0.0, 200 * np.abs(y - forecast) / np.where(size == 0, 1.0, size))


def naive_error(y: Float[np.ndarray, " T"], season: int) -> float:
    """Mean of |y_t - y_{t-season}|, by which MASE divides; of the training part. NaN where the series is too short or constant."""
    total, count = 0.0, 0
    for begin in range(season, len(y), BLOCK):
        apart = np.abs(y[begin : begin + BLOCK] - y[begin - season : begin - season + BLOCK][: len(y) - begin])
        apart = apart[~np.isnan(apart)]
        total, count = total + float(apart.sum()), count + len(apart)
    return total / count if total > 0 else float("nan")


def mase(y: Steps, forecast: Steps, naive_errors: Steps) -> float:
    """Mean absolute error in units of what seasonal-naive errs by in training, `naive_error`; below 1 is better than that.

    Source: Hyndman and Koehler, "Another look at measures of forecast accuracy", Int. J. Forecasting 22, 2006.
    """
    return _mean(np.abs(y - forecast) / naive_errors)


def pinball(y: Steps, quantiles: Steps, levels: Sequence[float]) -> Float[np.ndarray, " num_levels"]:
    """Mean pinball loss of each quantile; quantiles are (..., num_levels)."""
    losses = pinball_of_steps(y, quantiles, levels)
    return np.array([_mean(losses[..., k]) for k in range(len(levels))])


def pinball_of_steps(y: Steps, quantiles: Steps, levels: Sequence[float]) -> Steps:
    """What `pinball` gives the means of, (..., num_levels)."""
    above = y[..., None] - quantiles
    return np.maximum(np.array(levels) * above, (np.array(levels) - 1) * above)


def crps_of_quantiles(y: Steps, quantiles: Steps, levels: Sequence[float]) -> float:
    """CRPS as 2 ∫ pinball(level), each quantile standing for the levels nearest to it; of a point forecast it is the MAE.

    Source: Gneiting and Ranjan, "Comparing Density Forecasts Using Threshold- and Quantile-Weighted Scoring Rules", J. Bus. Econ.
    Stat. 29, 2011.
    """
    return crps_of_pinball(pinball(y, quantiles, levels), levels)


def crps_of_pinball(losses: Float[np.ndarray, " num_levels"], levels: Sequence[float]) -> float:
    """The same, of what `pinball` gives."""
    edges = np.concatenate([[0.0], (np.array(levels[1:]) + np.array(levels[:-1])) / 2, [1.0]])
    return float(2 * (np.diff(edges) * losses).sum())


def coverage(y: Steps, low: Steps, high: Steps) -> float:
    """Part of the steps, in percent, whose y lies in the interval, its ends included."""
    return 100 * _mean(covered_steps(y, low, high))


def covered_steps(y: Steps, low: Steps, high: Steps) -> Steps:
    """1 where y lies in the interval, else 0; NaN where it was not observed."""
    return np.where(np.isnan(y), np.nan, (low <= y) & (y <= high))


def nse(y: Steps, forecast: Steps) -> float:
    """1 - Σ (ŷ - y)² / Σ (y - mean y)²: 1 is perfect, 0 is as good as the mean of what was observed.

    Source: Nash and Sutcliffe, "River flow forecasting through conceptual models", J. Hydrology 10, 1970.
    """
    return Together.of(y, forecast).nse


def kge(y: Steps, forecast: Steps) -> float:
    """1 - √((r - 1)² + (σ_ŷ/σ_y - 1)² + (μ_ŷ/μ_y - 1)²): correlation, spread and mean in one; 1 is perfect, the mean gives -0.41.

    A constant forecast has r = 0.

    Source: Gupta, Kling, Yilmaz and Martinez, "Decomposition of the mean squared error and NSE performance criteria", J. Hydrology
    377, 2009; the mean's value: Knoben, Freer and Woods, Hydrol. Earth Syst. Sci. 23, 2019.
    """
    return Together.of(y, forecast).kge


@dataclass
class Together:
    """Means, spreads and products of steps and forecasts that come in several lots.

    Attributes:
        count: of the steps that were observed.
        means: of y and of the forecast.
        squares: sums of squares around these means.
        product: sum of products around them.
        error: sum of squared errors.

    Source: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
    """

    count: int = 0
    means: tuple[float, float] = (0.0, 0.0)
    squares: tuple[float, float] = (0.0, 0.0)
    product: float = 0.0
    error: float = 0.0

    @classmethod
    def of(cls, y: Steps, forecast: Steps) -> "Together":
        """Of one lot."""
        is_observed = ~np.isnan(y)
        both = y[is_observed], forecast[is_observed]
        if not len(both[0]):
            return cls()
        means = float(both[0].mean()), float(both[1].mean())
        apart = both[0] - means[0], both[1] - means[1]
        squares = float((apart[0] ** 2).sum()), float((apart[1] ** 2).sum())
        error = float(((both[1] - both[0]) ** 2).sum())
        return cls(len(both[0]), means, squares, float((apart[0] * apart[1]).sum()), error)

    def __add__(self, more: "Together") -> "Together":
        """Of both."""
        if not self.count or not more.count:
            return more if more.count else self
        count = self.count + more.count
        steps = [b - a for a, b in zip(self.means, more.means, strict=True)]
        share = self.count * more.count / count
        means = [a + step * more.count / count for a, step in zip(self.means, steps, strict=True)]
        squares = [a + b + s * s * share for a, b, s in zip(self.squares, more.squares, steps, strict=True)]
        return Together(
            count,
            (means[0], means[1]),
            (squares[0], squares[1]),
            self.product + more.product + steps[0] * steps[1] * share,
            self.error + more.error,
        )

    @property
    def nse(self) -> float:
        """As `nse`."""
        return 1 - self.error / self.squares[0] if self.squares[0] > 0 else float("nan")

    @property
    def kge(self) -> float:
        """As `kge`."""
        if self.count < 2 or self.squares[0] == 0 or self.means[0] == 0:
            return float("nan")
        spread_y, spread = (math.sqrt(square / self.count) for square in self.squares)
        r = self.product / self.count / (spread_y * spread) if spread > 1e-12 * spread_y else 0.0
        bias = self.means[1] / self.means[0]
        return 1 - math.sqrt((r - 1) ** 2 + (spread / spread_y - 1) ** 2 + (bias - 1) ** 2)


def _mean(values: Steps) -> float:
    mean = Mean()
    mean.add(values)
    return mean.value
