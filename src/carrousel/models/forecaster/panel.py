"""Series ready for a network: scaled, gaps filled, features in place; batches of windows are cut from them."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int, Int64, Integer
from torch import Tensor

from carrousel.data.readers.series import SeriesTable
from carrousel.data.readers.static import Static
from carrousel.data.windows import Windows
from carrousel.models.forecaster import calendar
from carrousel.models.forecaster.metrics import naive_error
from carrousel.models.forecaster.recipe import Recipe


class Batch(NamedTuple):
    """Windows side by side, scaled; `lengths` steps of each context count."""

    y: Float[Tensor, "T B"]  # the target in the context, gaps filled with the last value before them
    seen: Float[Tensor, "T B"]  # 1 where it was observed
    past: Float[Tensor, "T B num_past"]  # covariates known up to the present
    known: Float[Tensor, "T B num_future"]  # covariates known ahead, in the context
    ahead: Float[Tensor, "horizon B num_future"]  # and in the horizon
    static: Float[Tensor, "B num_static"]
    lengths: Int[Tensor, " B"]
    naive: Float[Tensor, "horizon B"]  # the seasonal-naive forecast
    target: Float[Tensor, "horizon B"]  # the truth, gaps filled
    weight: Float[Tensor, "horizon B"]  # 1 where the truth was observed

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(part.to(device) for part in self))


class Panel:
    """All series of a table as a recipe prepares them.

    Gaps in y and in covariates are filled with the last value before them, never with a later one; before the first value stands
    what the scaling makes 0, the training part's mean in the standard case.

    Args:
        table: of series.
        static: columns of their static table.
        recipe: fitted on the training part.
        known_ends: steps of each series that are known, for the scaling of series that the recipe has not met; all when left out.
    """

    def __init__(
        self,
        table: SeriesTable,
        static: Static | None,
        recipe: Recipe,
        known_ends: Int64[np.ndarray, " num_series"] | None = None,
    ) -> None:
        self.table, self.recipe = table, recipe
        self.offsets = table.values.offsets
        ends = table.values.lengths if known_ends is None else known_ends
        self.scaling = recipe.scaling.rows(table.names, table.values, ends)
        self.raw = table.values.values[:, 0]
        num_past = len(recipe.columns.past)
        inputs = [self._inputs(k) for k in range(len(table))]
        self.seen = (~np.isnan(self.raw)).astype(np.float32)
        self.y, self.seasonal, self.past, self.future = (np.concatenate([part[i] for part in inputs]) for i in range(4))
        assert self.past.shape[1] == recipe.past_size, (num_past, recipe.past_size)
        self.static = recipe.static_inputs(static, len(table))
        self.naive_errors = np.array(
            [
                recipe.naive_errors.get(name, np.nan)
                if name in recipe.naive_errors
                else naive_error(part[:end, 0], recipe.season)
                for name, part, end in zip(table.names, table.values, ends.tolist(), strict=True)
            ]
        )

    def batch(self, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Batch:
        """These windows, as tensors."""
        series, origins = windows.places(rows)
        return Batch(
            y=_tensor(windows.contexts(self.y, rows)),
            seen=_tensor(windows.contexts(self.seen, rows)),
            past=_tensor(windows.contexts(self.past, rows)),
            known=_tensor(windows.contexts(self.future, rows)),
            ahead=_tensor(windows.horizons(self.future, rows)),
            static=_tensor(self.static[series]),
            lengths=torch.from_numpy(windows.lengths(rows)),
            naive=_tensor(self.seasonal_naive(self.seasonal, series, origins, windows.horizon)),
            target=_tensor(windows.horizons(self.y, rows)),
            weight=_tensor(windows.horizons(self.seen, rows)),
        )

    def truth(self, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Float64[np.ndarray, "horizon B"]:
        """What was observed, in the unit of y, NaN where nothing was."""
        return windows.horizons(self.raw, rows)

    def unscale(
        self, scaled: Float[np.ndarray, "horizon B *levels"], series: Int64[np.ndarray, " B"]
    ) -> Float64[np.ndarray, "horizon B *levels"]:
        """Forecasts in the unit of y."""
        row = series if self.scaling.names else np.zeros_like(series)
        shape = (1, len(series), *[1] * (scaled.ndim - 2))
        shift, scale = self.scaling.shift[row, 0].reshape(shape), self.scaling.scale[row, 0].reshape(shape)
        return scaled.astype(np.float64) * scale + shift

    def seasonal_naive(
        self,
        seasonal: Float[np.ndarray, " N"],
        series: Int64[np.ndarray, " B"],
        origins: Int64[np.ndarray, " B"],
        horizon: int,
    ) -> Float[np.ndarray, "horizon B"]:
        """The value one season before, or as many seasons as it takes to be in the past; the last value where there is none."""
        season, steps = self.recipe.season, np.arange(horizon)[:, None]
        places = origins + steps - season * (steps // season + 1)
        places = np.where(places >= 0, places, origins - 1)
        return seasonal[self.offsets[series] + places]

    def _inputs(
        self, k: int
    ) -> tuple[
        Float32[np.ndarray, " T"],
        Float32[np.ndarray, " T"],
        Float32[np.ndarray, "T num_past"],
        Float32[np.ndarray, "T num_future"],
    ]:
        """Of one series: y, y with gaps filled from seasons before, past and future covariates."""
        recipe, columns = self.recipe, self.recipe.columns
        scaled = self.scaling.apply(self.table.values[k], k)
        filled = np.nan_to_num(fill_forward(scaled)).astype(np.float32)
        seasonal = fill_seasons(scaled[:, 0], recipe.season).astype(np.float32)
        observed = (~np.isnan(scaled)).astype(np.float32)
        covariates: list[list[np.ndarray]] = [[], []]
        for c, name in enumerate(columns.channels[1:], 1):
            group = covariates[c > len(columns.past)]
            group.append(filled[:, c : c + 1])
            if name in recipe.flagged:
                group.append(observed[:, c : c + 1])
        days = calendar.features(self.table.stamps(k), recipe.calendar)
        nothing = np.zeros((len(scaled), 0), np.float32)
        past, future = np.concatenate([nothing, *covariates[0]], 1), np.concatenate([nothing, *covariates[1], days], 1)
        return filled[:, 0], seasonal, past, future


def fill_forward(values: Float64[np.ndarray, "T C"]) -> Float64[np.ndarray, "T C"]:
    """NaN replaced by the last number before it in the column; before the first number it stays."""
    steps = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(steps, 0), 0)


def fill_seasons(values: Float64[np.ndarray, " T"], season: int) -> Float64[np.ndarray, " T"]:
    """NaN replaced by the number a season before it; where there is none, by the last number before it, and else by 0."""
    num_seasons = -(-len(values) // season)
    table = np.full(num_seasons * season, np.nan)
    table[: len(values)] = values
    filled = fill_forward(table.reshape(num_seasons, season)).reshape(-1)[: len(values)]
    return np.nan_to_num(np.where(np.isnan(filled), fill_forward(values[:, None])[:, 0], filled))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
