"""Forecasts without a network, which every figure stands beside. Each sees a series up to the step before its horizon."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float64, Int64, Integer

from carrousel.data.windows import Windows
from carrousel.models.forecaster.panel import Panel, fill_forward, fill_seasons

Forecasts = Float64[np.ndarray, "horizon B"]


def baselines(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Mapping[str, tuple[Forecasts, str]]:
    """Name -> (forecasts of these windows in the unit of y, what it is)."""
    season = panel.recipe.season
    found = {
        "persistence": (persistence, "the last value"),
        "seasonal-naive": (seasonal_naive, f"the value one season ({season} steps) before"),
        "drift": (drift, "the line from the first value to the last, gone on with"),
        "mean": (mean, "the mean of all values before"),
    }
    return {name: (make(panel, windows, rows), about) for name, (make, about) in found.items()}


def persistence(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Forecasts:
    """The last observed value; 0 where none was."""
    last = _last(panel, windows, rows, lambda y: np.nan_to_num(fill_forward(y[:, None])[:, 0]))
    return np.tile(last, (windows.horizon, 1))


def seasonal_naive(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Forecasts:
    """The value one season before; in place of one that was not observed, that of the season before it, else the last value."""
    filled = np.concatenate([fill_seasons(y, panel.recipe.season) for y in _series(panel)])
    return panel.seasonal_naive(filled, *windows.places(rows), windows.horizon)


def drift(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Forecasts:
    """The last value plus the mean change from step to step between the first observed value and the last."""

    def slope(y: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
        is_seen = ~np.isnan(y)
        if not is_seen.any():
            return np.zeros(len(y))
        first, steps = int(is_seen.argmax()), np.arange(len(y))
        last_seen = np.maximum.accumulate(np.where(is_seen, steps, first))
        return np.where(last_seen > first, (y[last_seen] - y[first]) / np.maximum(1, last_seen - first), 0.0)

    ahead = np.arange(1, windows.horizon + 1)[:, None]
    return persistence(panel, windows, rows) + ahead * _last(panel, windows, rows, slope)


def mean(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Forecasts:
    """The mean of all observed values before the horizon; 0 where there is none."""

    def means(y: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
        return np.nancumsum(y) / np.maximum(1, np.cumsum(~np.isnan(y)))

    return np.tile(_last(panel, windows, rows, means), (windows.horizon, 1))


def _series(panel: Panel) -> list[Float64[np.ndarray, " T"]]:
    return [values[:, 0] for values in panel.table.values]


def _last(
    panel: Panel,
    windows: Windows,
    rows: Integer[np.ndarray, " B"],
    running: Callable[[Float64[np.ndarray, " T"]], Float64[np.ndarray, " T"]],
) -> Float64[np.ndarray, " B"]:
    """A running figure of each series, at the step before each window's horizon."""
    series, origins = windows.places(rows)
    places: Int64[np.ndarray, " B"] = panel.offsets[series] + origins - 1
    return np.concatenate([running(y) for y in _series(panel)])[places]
