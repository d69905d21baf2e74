"""Figures of forecasts against what was observed, gathered from windows that come in several lots."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

from carrousel.data.windows import Windows
from carrousel.models.forecaster import metrics
from carrousel.models.forecaster.metrics import Mean, Together
from carrousel.models.forecaster.panel import Panel

INTERVALS = (80.0, 95.0)  # percent; whose coverage is measured where the head has them


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of several windows.

    Attributes:
        point: the median (of the head `mean`, the mean).
        quantiles: at `levels`; none of a head that gives one number.
        levels: rising.
        crps: of each step, in closed form or from draws; None where quantiles must do.
    """

    point: Float64[np.ndarray, "horizon B"]
    quantiles: Float64[np.ndarray, "horizon B num_levels"]
    levels: tuple[float, ...]
    crps: Float64[np.ndarray, "horizon B"] | None = None

    @classmethod
    def of_numbers(cls, point: Float64[np.ndarray, "horizon B"]) -> "Forecasts":
        """One number a step, and no spread."""
        return cls(point, point[..., None][..., :0], ())

    @classmethod
    def joined(cls, parts: Sequence["Forecasts"]) -> "Forecasts":
        """Of windows that come one after the other."""
        crps = [part.crps for part in parts if part.crps is not None]
        return cls(
            np.concatenate([part.point for part in parts], 1),
            np.concatenate([part.quantiles for part in parts], 1),
            parts[0].levels,
            np.concatenate(crps, 1) if crps else None,
        )


@dataclass(frozen=True)
class Truth:
    """What was observed in several windows.

    Attributes:
        y: NaN where nothing was.
        series: which series a window is of.
        naive_errors: what the MASE of a window is measured in.
    """

    y: Float64[np.ndarray, "horizon B"]
    series: Int64[np.ndarray, " B"]
    naive_errors: Float64[np.ndarray, " B"]

    @classmethod
    def of(cls, panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> "Truth":
        """Of these windows."""
        series, _ = windows.places(rows)
        return cls(panel.truth(windows, rows), series, panel.naive_errors[series])


class Tally:
    """Figures of many forecasts; NSE and KGE are medians over the series.

    Args:
        is_probabilistic: whether the forecasts have a spread.
    """

    def __init__(self, is_probabilistic: bool) -> None:
        self.is_probabilistic = is_probabilistic
        self.means = {name: Mean() for name in ("mase", "smape", "mae", "mse")}
        self.crps, self.levels = Mean(), tuple[float, ...]()
        self.pinball = list[Mean]()
        self.covered = dict[float, Mean]()
        self.series = dict[int, Together]()

    def add(self, truth: Truth, found: Forecasts) -> None:
        """Take some more windows."""
        y, point = truth.y, found.point
        errors = np.abs(y - point)
        self.means["mase"].add(errors / truth.naive_errors)
        self.means["smape"].add(metrics.smape_of_steps(y, point))
        self.means["mae"].add(errors)
        self.means["mse"].add((y - point) ** 2)
        for k, columns in _by_series(truth.series):
            more = Together.of(y[:, columns].ravel(), point[:, columns].ravel())
            self.series[k] = self.series.get(k, Together()) + more
        if self.is_probabilistic:
            self._add_spread(y, found)

    def _add_spread(self, y: Float64[np.ndarray, "horizon B"], found: Forecasts) -> None:
        self.levels = found.levels
        if found.crps is not None:
            self.crps.add(np.where(np.isnan(y), np.nan, found.crps))
        else:
            self.pinball = self.pinball or [Mean() for _ in found.levels]
            losses = metrics.pinball_of_steps(y, found.quantiles, found.levels)
            for k, mean in enumerate(self.pinball):
                mean.add(losses[..., k])
        for percent in INTERVALS:
            ends = [k for k, level in enumerate(found.levels) if abs(abs(level - 0.5) - percent / 200) < 1e-9]
            if len(ends) == 2:
                low, high = found.quantiles[..., ends[0]], found.quantiles[..., ends[1]]
                self.covered.setdefault(percent, Mean()).add(metrics.covered_steps(y, low, high))

    def figures(self) -> dict[str, float]:
        """All figures of the windows so far."""
        means = {name: mean.value for name, mean in self.means.items()}
        result = {name: means[name] for name in ("mase", "smape", "mae")} | {
            "rmse": float(np.sqrt(means["mse"])),
            "nse": _median(one.nse for one in self.series.values()),
            "kge": _median(one.kge for one in self.series.values()),
        }
        if self.is_probabilistic:
            losses = np.array([mean.value for mean in self.pinball])
            result["crps"] = metrics.crps_of_pinball(losses, self.levels) if self.pinball else self.crps.value
            result |= {f"coverage-{percent:g}": 100 * mean.value for percent, mean in self.covered.items()}
        return result


def figures(truth: Truth, found: Forecasts, is_probabilistic: bool) -> dict[str, float]:
    """All figures of these forecasts."""
    tally = Tally(is_probabilistic)
    tally.add(truth, found)
    return tally.figures()


def baseline_figures(truth: Truth, point: Float64[np.ndarray, "horizon B"], with_crps: bool) -> dict[str, float]:
    """Figures of one number a step: its CRPS is its mean absolute error, and it has no intervals."""
    values = figures(truth, Forecasts.of_numbers(point), is_probabilistic=False)
    return values | ({"crps": values["mae"]} if with_crps else {})


def _by_series(series: Int64[np.ndarray, " B"]) -> Iterator[tuple[int, Int64[np.ndarray, " K"]]]:
    """Each series and its windows, in their order."""
    order = np.argsort(series, kind="stable")
    names, begins = np.unique(series[order], return_index=True)
    return zip(names.tolist(), np.split(order, begins[1:]), strict=True)


def _median(values: Iterator[float]) -> float:
    found = np.array([value for value in values if not np.isnan(value)])
    return float(np.median(found)) if len(found) else float("nan")
