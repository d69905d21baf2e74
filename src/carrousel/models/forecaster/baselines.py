"""Forecasts without a network, which every figure stands beside. Each sees a series up to the step before its horizon."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

from carrousel.data.windows import Windows
from carrousel.models.forecaster.panel import Arrays, Panel, fill_forward, fill_seasons_after, keep, parts_of

Forecasts = Float64[np.ndarray, "horizon B"]


Maker = Callable[[Integer[np.ndarray, " K"]], Forecasts]
"""Places in the windows asked for -> forecasts of those."""


def baselines(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Mapping[str, tuple[Maker, str]]:
    """Name -> (what forecasts these windows in the unit of y, what it is); some windows at a time, where all are too many."""
    season = panel.recipe.season
    found = _last(panel, windows, rows)
    ahead = np.arange(1, windows.horizon + 1)[:, None]

    def tiled(values: Float64[np.ndarray, " K"]) -> Forecasts:
        return np.tile(values, (windows.horizon, 1))

    return {
        "persistence": (lambda some: tiled(found["last"][some]), "the last value"),
        "seasonal-naive": (
            seasonal_naive(panel, windows, rows),
            f"the value one season ({season} steps) before",
        ),
        "drift": (
            lambda some: tiled(found["last"][some]) + ahead * found["slope"][some],
            "the line from the first value to the last, gone on with",
        ),
        "mean": (lambda some: tiled(found["mean"][some]), "the mean of all values before"),
    }


def seasonal_naive(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Maker:
    """The value one season before; in place of one that was not observed, that of the season before it, else the last value."""
    season = panel.recipe.season

    def parts() -> Iterator[Arrays]:
        last, before = np.full(1, np.nan), np.full(season, np.nan)
        for part in parts_of(panel.table.values, season):
            y = part.values[:, 0]
            if part.begin == 0:
                last, before = np.full(1, np.nan), np.full(season, np.nan)
            forward = fill_forward(np.append(last, y)[:, None])[1:, 0]
            filled, before = fill_seasons_after(before, y, forward)
            last = forward[-1:]
            yield {"filled": filled}

    filled = keep(panel.table, parts, {"filled": (np.float64, ())})["filled"]
    return lambda some: panel.seasonal_naive(filled, *windows.places(rows[some]), windows.horizon)


def _last(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> dict[str, Float64[np.ndarray, " B"]]:
    """At the step before each window's horizon: the last observed value (0 where none was), the mean change from step to step
    between the first and the last observed one, and the mean of all observed values (0 where there is none)."""
    series, origins = windows.places(rows)
    places: Int64[np.ndarray, " B"] = panel.offsets[series] + origins - 1
    order = np.argsort(places, kind="stable")
    found = {name: np.zeros(len(rows)) for name in ("last", "slope", "mean")}
    begin, state = 0, _State()
    for part in parts_of(panel.table.values, 1):
        state = _State() if part.begin == 0 else state
        running, end = state.go_on(part.values[:, 0]), begin + len(part.values)
        mine = order[np.searchsorted(places, begin, sorter=order) : np.searchsorted(places, end, sorter=order)]
        for name, values in running.items():
            found[name][mine] = values[places[mine] - begin]
        begin = end
    return found


@dataclass
class _State:
    """What is known of a series up to some step."""

    steps: int = 0
    total: float = 0.0
    count: int = 0
    first: tuple[int, float] | None = None  # step and value of the first that was observed
    last: tuple[int, float] = (0, 0.0)

    def go_on(self, y: Float64[np.ndarray, " T"]) -> dict[str, Float64[np.ndarray, " T"]]:
        """Of the next steps: the last observed value, the mean change a step from the first to it, and the mean of all."""
        is_seen, steps = ~np.isnan(y), np.arange(self.steps, self.steps + len(y))
        totals = np.cumsum(np.append(self.total, np.nan_to_num(y)))[1:]
        counts = self.count + np.cumsum(is_seen)
        if self.first is None and is_seen.any():
            place = int(is_seen.argmax())
            self.first = self.last = int(steps[place]), float(y[place])
        at = np.maximum.accumulate(np.where(is_seen, np.arange(1, len(y) + 1), 0))
        last, last_steps = np.append(self.last[1], y)[at], np.append(self.last[0], steps)[at]
        slope = np.zeros(len(y))
        if self.first is None:
            last = slope
        else:
            step, value = self.first
            is_after = last_steps > step
            slope = np.where(is_after, (last - value) / np.maximum(1, last_steps - step), 0.0)
            last = np.where(steps < step, 0.0, last)
        self.steps, self.total, self.count = self.steps + len(y), float(totals[-1]), int(counts[-1])
        self.last = int(last_steps[-1]), float(np.append(self.last[1], y)[at[-1]])
        return {"last": last, "slope": slope, "mean": totals / np.maximum(1, counts)}
