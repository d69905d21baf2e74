"""Back-tests: forecasts from several dates in the past, each from what was known then."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from carrousel.data.ragged import Ragged
from carrousel.data.readers.series import SeriesTable
from carrousel.data.readers.static import Static
from carrousel.data.windows import Windows, cut_steps
from carrousel.errors import ConfigError
from carrousel.models.forecaster.baselines import baselines
from carrousel.models.forecaster.figures import Forecasts, Truth, baseline_figures, figures
from carrousel.models.forecaster.forecasts import forecast, is_probabilistic
from carrousel.models.forecaster.future import Forecast, intervals, table_of, times
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.panel import Panel

MODEL = "model"


@dataclass(frozen=True, eq=False)
class BackTest(Forecast):
    """Forecasts of all back-test windows, with the columns `cutoff`, the last time known, and `y`, the truth.

    Attributes:
        figures: "model", "persistence", "seasonal-naive" ... -> figure by name, over all windows.
    """

    figures: Any = None


def cross_validate(
    fit: Callable[[SeriesTable, Static | None], ForecasterNetwork],
    table: SeriesTable,
    static: Static | None,
    horizon: int,
    num_windows: int,
    step: int,
    is_refitted: bool,
    level: Any,
    where: str,
) -> BackTest:
    """Forecasts from `num_windows` dates, `step` apart, the last one a horizon before the end; one date is the same for all series.

    Args:
        fit: learns from series up to a date; called once, for the first date, or for each.
        is_refitted: learn anew for each date.
        level: intervals in percent.

    Raises:
        ConfigError: fewer than one window, a step below 1, or too little data.
    """
    for name, value in (("n_windows", num_windows), ("step", step)):
        if value < 1:
            raise ConfigError(f"{where}: {name} is {value}, expected at least 1. Give a positive {name}.")
    first, num_steps = int(table.starts.min()), _num_steps(table)
    origins = [num_steps - horizon - step * k for k in reversed(range(num_windows))]
    if origins[0] < 2:
        raise ConfigError(
            f"{where}: {num_windows} windows of {horizon} steps, {step} apart, need {num_steps - origins[0] + 2:,} steps, "
            f"expected at most {num_steps:,}, which the series have. Ask for fewer windows."
        )
    found: list[_Window] = []
    network: ForecasterNetwork | None = None
    for origin in origins:
        stamp = int(table.frequency.stamps(first, np.array([origin]))[0])
        cut = cut_steps(table.starts, table.values.lengths, table.frequency, stamp)
        if network is None or is_refitted:
            network = fit(*before(table, static, cut))
        found.append(_forecast_from(network, table, static, cut, level, where))
    assert network is not None
    columns = {name: np.concatenate([window.columns[name] for window in found]) for name in found[0].columns}
    return BackTest(columns, table, figures=_figures(found, is_probabilistic(network)))


def before(
    table: SeriesTable, static: Static | None, cut: Int64[np.ndarray, " num_series"]
) -> tuple[SeriesTable, Static | None]:
    """The steps of each series before a cut; series without any are left out."""
    kept = np.flatnonzero(cut > 0).tolist()
    values = Ragged.of([table.values[k][: cut[k]] for k in kept])
    names = tuple(table.names[k] for k in kept)
    columns = {} if static is None else {name: tuple(cells[k] for k in kept) for name, cells in static.columns.items()}
    return (
        replace(table, values=values, names=names, starts=table.starts[kept]),
        None if static is None else Static(cast(Any, columns)),
    )


@dataclass(frozen=True)
class _Window:
    """All series, forecast from one date."""

    columns: dict[str, np.ndarray]
    scored: Forecasts
    truth: Truth
    baselines: dict[str, np.ndarray]


def _forecast_from(
    network: ForecasterNetwork,
    table: SeriesTable,
    static: Static | None,
    cut: Int64[np.ndarray, " num_series"],
    level: Any,
    where: str,
) -> _Window:
    model, panel = network.model, Panel(table, static, network.recipe, cut)
    windows = Windows(
        panel.offsets, model.context, model.horizon, begins=cut, ends=cut + model.horizon, min_context=model.min_context
    )
    rows = np.arange(len(windows))
    if not len(rows):
        raise ConfigError(
            f"{where}: no series has {model.min_context or model.context} steps before a back-test window and {model.horizon} in "
            "it, expected one. Ask for fewer windows, or lower context."
        )
    percent, levels = intervals(network, level, where)
    columns = table_of(table, windows, rows, forecast(network, panel, windows, rows, levels), percent)
    series, origins = windows.places(rows)
    last = [
        int(table.frequency.stamps(int(table.starts[k]), np.array([origin - 1]))[0])
        for k, origin in zip(series.tolist(), origins.tolist(), strict=True)
    ]
    truth = Truth.of(panel, windows, rows)
    columns["cutoff"] = times(table, np.repeat(np.array(last, np.int64), model.horizon))
    columns["y"] = truth.y.T.ravel()
    naive = {name: point for name, (point, _) in baselines(panel, windows, rows).items()}
    return _Window(columns, forecast(network, panel, windows, rows, is_scored=True), truth, naive)


def _figures(found: list[_Window], has_crps: bool) -> dict[str, dict[str, float]]:
    """Of the model and of the baselines, all windows together."""
    truth = Truth(
        np.concatenate([window.truth.y for window in found], 1),
        np.concatenate([window.truth.series for window in found]),
        np.concatenate([window.truth.naive_errors for window in found]),
    )
    crps = [window.scored.crps for window in found if window.scored.crps is not None]
    scored = Forecasts(
        np.concatenate([window.scored.point for window in found], 1),
        np.concatenate([window.scored.quantiles for window in found], 1),
        found[0].scored.levels,
        np.concatenate(crps, 1) if crps else None,
    )
    result = {MODEL: figures(truth, scored, has_crps)}
    for name in found[0].baselines:
        point = np.concatenate([window.baselines[name] for window in found], 1)
        result[name] = baseline_figures(truth, point, has_crps)
    return result


def _num_steps(table: SeriesTable) -> int:
    """Steps from the first time stamp of any series to the last of any."""
    starts, lengths = table.starts.tolist(), table.values.lengths.tolist()
    last = max(
        int(table.frequency.stamps(start, np.array([length - 1]))[0])
        for start, length in zip(starts, lengths, strict=True)
    )
    return int(table.frequency.index(np.array([last]), min(starts))[0][0]) + 1
