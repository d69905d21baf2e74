"""Forecasts of windows in the unit of y, and their figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64, Integer

from carrousel.data.windows import Windows
from carrousel.heads.distributions import DistributionHead, sample_crps
from carrousel.models.forecaster import metrics
from carrousel.models.forecaster.baselines import baselines
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.panel import Panel

BATCH = 256
INTERVALS = (80.0, 95.0)  # percent; whose coverage is measured where the head has them
SCORED = (
    0.025,
    0.1,
    0.25,
    0.5,
    0.75,
    0.9,
    0.975,
)  # levels of a distribution's quantiles, for those figures that need some
DRAWS_SEED = 0


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


@torch.no_grad()
def forecast(
    network: ForecasterNetwork,
    panel: Panel,
    windows: Windows,
    rows: Integer[np.ndarray, " B"],
    levels: Sequence[float] | None = None,
    is_scored: bool = False,
) -> Forecasts:
    """The network's forecasts of these windows.

    Args:
        levels: of the quantiles wanted; those the head has when left out.
        is_scored: also find the CRPS, which looks at the truth.

    Raises:
        ConfigError: the head has no such quantiles.
    """
    network.eval()
    generator = torch.Generator().manual_seed(DRAWS_SEED)
    wanted = own_levels(network) if levels is None else tuple(levels)
    parts = [
        _forecast(network, panel, windows, rows[begin : begin + BATCH], wanted, is_scored, generator)
        for begin in range(0, len(rows), BATCH)
    ]
    crps = [part.crps for part in parts if part.crps is not None]
    return Forecasts(
        np.concatenate([part.point for part in parts], 1),
        np.concatenate([part.quantiles for part in parts], 1),
        wanted,
        np.concatenate(crps, 1) if crps else None,
    )


def own_levels(network: ForecasterNetwork) -> tuple[float, ...]:
    """The quantiles that figures are made from."""
    head = network.head
    if hasattr(head, "levels"):
        return tuple(round(level, 6) for level in head.levels.tolist())
    return SCORED if isinstance(head, DistributionHead) else ()


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


def figures(truth: Truth, found: Forecasts, is_probabilistic: bool) -> dict[str, float]:
    """All figures of forecasts against what was observed; NSE and KGE are medians over the series."""
    y, point = truth.y, found.point
    result = {
        "mase": metrics.mase(y, point, truth.naive_errors),
        "smape": metrics.smape(y, point),
        "mae": metrics.mae(y, point),
        "rmse": metrics.rmse(y, point),
        "nse": _over_series(metrics.nse, truth, point),
        "kge": _over_series(metrics.kge, truth, point),
    }
    if is_probabilistic:
        result["crps"] = _crps(y, found)
        for percent in INTERVALS:
            ends = [k for k, level in enumerate(found.levels) if abs(abs(level - 0.5) - percent / 200) < 1e-9]
            if len(ends) == 2:
                low, high = found.quantiles[..., ends[0]], found.quantiles[..., ends[1]]
                result[f"coverage-{percent:g}"] = metrics.coverage(y, low, high)
    return result


def measure(
    network: ForecasterNetwork, panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]
) -> dict[str, float]:
    """Figures of the network on these windows."""
    found = forecast(network, panel, windows, rows, is_scored=True)
    return figures(Truth.of(panel, windows, rows), found, is_probabilistic(network))


def measure_each(
    network: ForecasterNetwork, panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]
) -> dict[str, dict[str, float]]:
    """Series -> figures of the network on its windows; NaN where nothing was observed."""
    series, _ = windows.places(rows)
    return {panel.table.names[k]: measure(network, panel, windows, rows[series == k]) for k in np.unique(series)}


def measure_baselines(
    panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"], with_crps: bool
) -> Mapping[str, tuple[dict[str, float], str]]:
    """The same figures of the forecasts without a network, and what each is."""
    truth = Truth.of(panel, windows, rows)
    found = baselines(panel, windows, rows).items()
    return {name: (baseline_figures(truth, point, with_crps), about) for name, (point, about) in found}


def baseline_figures(truth: Truth, point: Float64[np.ndarray, "horizon B"], with_crps: bool) -> dict[str, float]:
    """Figures of one number a step: its CRPS is its mean absolute error, and it has no intervals."""
    values = figures(truth, Forecasts(point, point[..., None][..., :0], ()), is_probabilistic=False)
    return values | ({"crps": values["mae"]} if with_crps else {})


def is_probabilistic(network: ForecasterNetwork) -> bool:
    """Whether forecasts have a spread."""
    return bool(own_levels(network))


def _forecast(
    network: ForecasterNetwork,
    panel: Panel,
    windows: Windows,
    rows: Integer[np.ndarray, " B"],
    levels: tuple[float, ...],
    is_scored: bool,
    generator: torch.Generator,
) -> Forecasts:
    batch, (series, _) = panel.batch(windows, rows).to(network.device), windows.places(rows)
    wanted, crps = torch.tensor(levels, dtype=torch.float64, device=network.device), None
    if network.is_recursive and is_probabilistic(network):
        paths = network.draw(batch, network.model.num_samples, generator).double()
        point, quantiles = paths.median(0).values, paths.quantile(wanted, 0).movedim(0, -1)
        crps = sample_crps(paths, batch.target.double()) if is_scored else None
    else:
        params = network(batch) if not network.is_recursive else network.draw(batch, 1)[0][..., None]
        point = network.head.point(params)
        quantiles = network.head.quantiles(params, wanted) if levels else params[..., :0]
        if is_scored and isinstance(network.head, DistributionHead):
            crps = network.head.crps(params, batch.target)
    row: Int64[np.ndarray, " B"] = series if panel.scaling.names else np.zeros_like(series)
    return Forecasts(
        panel.unscale(point.cpu().numpy(), series),
        panel.unscale(quantiles.cpu().numpy(), series),
        levels,
        None if crps is None else crps.double().cpu().numpy() * panel.scaling.scale[row, 0],
    )


def _crps(truth: np.ndarray, found: Forecasts) -> float:
    if found.crps is None:
        return metrics.crps_of_quantiles(truth, found.quantiles, found.levels)
    observed = found.crps[~np.isnan(truth)]
    return float(observed.mean()) if len(observed) else float("nan")


def _over_series(figure: Callable[[np.ndarray, np.ndarray], float], truth: Truth, point: np.ndarray) -> float:
    found = np.array(
        [
            figure(truth.y[:, truth.series == k].ravel(), point[:, truth.series == k].ravel())
            for k in np.unique(truth.series)
        ]
    )
    found = found[~np.isnan(found)]
    return float(np.median(found)) if len(found) else float("nan")
