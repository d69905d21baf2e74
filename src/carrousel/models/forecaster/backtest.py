"""Back-tests: forecasts from several dates in the past, each from what was known then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from carrousel.data.ragged import Ragged
from carrousel.data.readers.series import SeriesTable
from carrousel.data.readers.static import Static
from carrousel.data.windows import Windows, cut_steps
from carrousel.errors import ConfigError, counted
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
        by_window: first time forecast -> the same of one window.
    """

    figures: Any = None
    by_window: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict[str, Any], repr=False)


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
    stamps = first_times(table, horizon, num_windows, step, where)
    found: dict[str, _Window] = {}
    network: ForecasterNetwork | None = None
    for stamp in stamps:
        cut = cut_steps(table.starts, table.values.lengths, table.frequency, stamp)
        if network is None or is_refitted:
            network = fit(*before(table, static, cut))
        found[table.text(stamp)] = _forecast_from(network, table, static, cut, level, where)
    assert network is not None
    return _joined(found, table, is_probabilistic(network))


def back_test(
    network: ForecasterNetwork, table: SeriesTable, static: Static | None, num_windows: int, step: int, where: str
) -> tuple[BackTest, list[str]]:
    """As `cross_validate`, of a network as it is; and what there is to say of that, as sentences.

    Raises:
        ConfigError: as `cross_validate`, or a window forecasts what the network learned from.
    """
    horizon, until = network.model.horizon, network.recipe.learned_until
    stamps = first_times(table, horizon, num_windows, step, where, "windows")
    late = [stamp for stamp in stamps if until is None or stamp >= until]
    if until is not None and len(late) < num_windows:
        fitting = f"Ask for windows={len(late)}" if late else "Give later series"
        raise ConfigError(
            f"{where}: the first of {num_windows} windows begins at {table.text(stamps[0])}, expected all from {table.text(until)} "
            f"on: the network learned from what lies before. {fitting}, or train with a larger data.test."
        )

    def as_it_is(table: SeriesTable, static: Static | None) -> ForecasterNetwork:
        return network

    found = cross_validate(
        as_it_is, table, static, horizon, num_windows, step, is_refitted=False, level=None, where=where
    )
    apart = "" if num_windows == 1 else f", {counted(step, 'step')} apart"
    told = [
        f"Not retrained: the network as it is forecasts {counted(horizon, 'step')} from {counted(len(stamps), 'date')}{apart}."
    ]
    if until is None:
        told.append("It was trained without a test part (data.test=0), so that it may have learned from these steps.")
    return found, told


def first_times(
    table: SeriesTable, horizon: int, num_windows: int, step: int, where: str, name: str = "n_windows"
) -> list[int]:
    """Time stamps at which the windows of a back-test begin.

    Args:
        name: of the number of windows, for an error.

    Raises:
        ConfigError: as `cross_validate`.
    """
    for option, value in ((name, num_windows), ("step", step)):
        if value < 1:
            raise ConfigError(f"{where}: {option} is {value}, expected at least 1. Give a positive {option}.")
    first, num_steps = int(table.starts.min()), _num_steps(table)
    origins = [num_steps - horizon - step * k for k in reversed(range(num_windows))]
    if origins[0] < 2:
        raise ConfigError(
            f"{where}: {num_windows} windows of {horizon} steps, {step} apart, need {num_steps - origins[0] + 2:,} steps, "
            f"expected at most {num_steps:,}, which the series have. Ask for fewer windows."
        )
    return [int(stamp) for stamp in table.frequency.stamps(first, np.array(origins))]


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
    naive = {name: make(rows) for name, (make, _) in baselines(panel, windows, rows).items()}
    return _Window(columns, forecast(network, panel, windows, rows, is_scored=True), truth, naive)


def _joined(found: Mapping[str, _Window], table: SeriesTable, has_crps: bool) -> BackTest:
    """One back-test of these windows, by the first time of each."""
    windows = list(found.values())
    columns = {name: np.concatenate([window.columns[name] for window in windows]) for name in windows[0].columns}
    by_window = {begin: _figures([window], has_crps) for begin, window in found.items()}
    return BackTest(columns, table, figures=_figures(windows, has_crps), by_window=by_window)


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
