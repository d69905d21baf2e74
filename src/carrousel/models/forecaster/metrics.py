"""Figures of forecasts. Steps whose y is NaN are left out; a figure of nothing is NaN."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

BLOCK = 1 << 19  # steps looked at together
Steps = Float[np.ndarray, "..."]


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
    size = np.abs(y) + np.abs(forecast)
    return _mean(np.where(size == 0, 0.0, 200 * np.abs(y - forecast) / np.where(size == 0, 1.0, size)))


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
    above = y[..., None] - quantiles
    losses = np.maximum(np.array(levels) * above, (np.array(levels) - 1) * above)
    return np.array([_mean(losses[..., k]) for k in range(len(levels))])


def crps_of_quantiles(y: Steps, quantiles: Steps, levels: Sequence[float]) -> float:
    """CRPS as 2 ∫ pinball(level), each quantile standing for the levels nearest to it; of a point forecast it is the MAE.

    Source: Gneiting and Ranjan, "Comparing Density Forecasts Using Threshold- and Quantile-Weighted Scoring Rules", J. Bus. Econ.
    Stat. 29, 2011.
    """
    edges = np.concatenate([[0.0], (np.array(levels[1:]) + np.array(levels[:-1])) / 2, [1.0]])
    return float(2 * (np.diff(edges) * pinball(y, quantiles, levels)).sum())


def coverage(y: Steps, low: Steps, high: Steps) -> float:
    """Part of the steps, in percent, whose y lies in the interval, its ends included."""
    return 100 * _mean(np.where(np.isnan(y), np.nan, (low <= y) & (y <= high)))


def nse(y: Steps, forecast: Steps) -> float:
    """1 - Σ (ŷ - y)² / Σ (y - mean y)²: 1 is perfect, 0 is as good as the mean of what was observed.

    Source: Nash and Sutcliffe, "River flow forecasting through conceptual models", J. Hydrology 10, 1970.
    """
    y, forecast = _observed(y, forecast)
    spread = ((y - y.mean()) ** 2).sum() if len(y) else 0.0
    return float(1 - ((forecast - y) ** 2).sum() / spread) if spread > 0 else float("nan")


def kge(y: Steps, forecast: Steps) -> float:
    """1 - √((r - 1)² + (σ_ŷ/σ_y - 1)² + (μ_ŷ/μ_y - 1)²): correlation, spread and mean in one; 1 is perfect, the mean gives -0.41.

    A constant forecast has r = 0.

    Source: Gupta, Kling, Yilmaz and Martinez, "Decomposition of the mean squared error and NSE performance criteria", J. Hydrology
    377, 2009; the mean's value: Knoben, Freer and Woods, Hydrol. Earth Syst. Sci. 23, 2019.
    """
    y, forecast = _observed(y, forecast)
    if len(y) < 2 or y.std() == 0 or y.mean() == 0:
        return float("nan")
    spread = forecast.std()
    r = ((y - y.mean()) * (forecast - forecast.mean())).mean() / (y.std() * spread) if spread > 1e-12 * y.std() else 0.0
    return float(1 - np.sqrt((r - 1) ** 2 + (spread / y.std() - 1) ** 2 + (forecast.mean() / y.mean() - 1) ** 2))


def _observed(y: Steps, forecast: Steps) -> tuple[Steps, Steps]:
    is_observed = ~np.isnan(y)
    return y[is_observed], forecast[is_observed]


def _mean(values: Steps) -> float:
    found = values[~np.isnan(values)]
    return float(found.mean()) if len(found) else float("nan")
