"""Series ready for a network: scaled, gaps filled, features in place; batches of windows are cut from them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64, Integer
from numpy.typing import DTypeLike
from torch import Tensor

from carrousel.data.kept import Writer, in_memory, in_temporary_files
from carrousel.data.ragged import Ragged
from carrousel.data.readers.series import SeriesTable
from carrousel.data.readers.static import Static
from carrousel.data.windows import Windows
from carrousel.models.forecaster import calendar
from carrousel.models.forecaster.metrics import naive_error
from carrousel.models.forecaster.recipe import Recipe
from carrousel.train.to_device import to_device

BLOCK = 1 << 18  # numbers looked at together
Arrays = Mapping[str, np.ndarray]
"""Name -> values of some steps."""


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
        return Batch(*(to_device(part, device) for part in self))


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
        widths = {"past": (recipe.past_size,), "future": (recipe.future_size,)}
        names = ("y", "seasonal", "seen", "past", "future")
        found = keep(table, self._inputs, {name: (np.float32, widths.get(name, ())) for name in names})
        self.y, self.seasonal, self.seen, self.past, self.future = (found[name] for name in names)
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

    def _inputs(self) -> Iterator[Arrays]:
        """Of some steps at a time: y, y with gaps filled from seasons before, where it was seen, past and future covariates."""
        recipe, table, columns = self.recipe, self.table, self.recipe.columns
        nothing_yet = np.full((1, table.values.values.shape[1]), np.nan), np.full(recipe.season, np.nan)
        last, last_season = nothing_yet
        for part in parts_of(table.values, recipe.season):
            if part.begin == 0:
                last, last_season = nothing_yet
            scaled = self.scaling.apply(part.values, part.series)
            forward = fill_forward(np.concatenate([last, scaled]))[1:]
            seasonal, last_season = fill_seasons_after(last_season, scaled[:, 0], forward[:, 0])
            last = forward[-1:]
            filled, observed = np.nan_to_num(forward).astype(np.float32), (~np.isnan(scaled)).astype(np.float32)
            covariates: list[list[np.ndarray]] = [[], []]
            for c, name in enumerate(columns.channels[1:], 1):
                group = covariates[c > len(columns.past)]
                group.append(filled[:, c : c + 1])
                if name in recipe.flagged:
                    group.append(observed[:, c : c + 1])
            steps = np.arange(part.begin, part.begin + len(scaled))
            days = calendar.features(table.frequency.stamps(int(table.starts[part.series]), steps), recipe.calendar)
            nothing = np.zeros((len(scaled), 0), np.float32)
            yield {
                "y": filled[:, 0],
                "seasonal": seasonal,
                "seen": observed[:, 0],
                "past": np.concatenate([nothing, *covariates[0]], 1),
                "future": np.concatenate([nothing, *covariates[1], days], 1),
            }


def fill_forward(values: Float64[np.ndarray, "T C"]) -> Float64[np.ndarray, "T C"]:
    """NaN replaced by the last number before it in the column; before the first number it stays."""
    steps = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(steps, 0), 0)


def fill_seasons(values: Float64[np.ndarray, " T"], season: int) -> Float64[np.ndarray, " T"]:
    """NaN replaced by the number a season before it; where there is none, by the last number before it, and else by 0."""
    return fill_seasons_after(np.full(season, np.nan), values, fill_forward(values[:, None])[:, 0])[0]


def fill_seasons_after(
    before: Float64[np.ndarray, " season"], values: Float64[np.ndarray, " T"], forward: Float64[np.ndarray, " T"]
) -> tuple[Float64[np.ndarray, " T"], Float64[np.ndarray, " season"]]:
    """`fill_seasons` of values that go on with a series at the start of a season, and the season that they leave behind.

    Args:
        before: the season before, filled; NaN where there is nothing to fill with.
        forward: the values, filled with the last number before.
    """
    season = len(before)
    num_seasons = -(-len(values) // season)
    table = np.full((num_seasons + 1) * season, np.nan)
    table[:season], table[season : season + len(values)] = before, values
    table = fill_forward(table.reshape(num_seasons + 1, season))
    filled = table.reshape(-1)[season : season + len(values)]
    return np.nan_to_num(np.where(np.isnan(filled), forward, filled)), table[-1]


class Part(NamedTuple):
    """Some steps of one series."""

    series: int
    begin: int
    values: Float64[np.ndarray, "T C"]


def parts_of(values: Ragged, season: int) -> Iterator[Part]:
    """All steps in order; those of a long series some whole seasons at a time."""
    size = -(-BLOCK // (season * max(1, values.values.shape[1]))) * season
    for k, whole in enumerate(values):
        for begin in range(0, len(whole), size):
            yield Part(k, begin, whole[begin : begin + size])


def keep(
    table: SeriesTable, parts: Callable[[], Iterator[Arrays]], forms: Mapping[str, tuple[DTypeLike, tuple[int, ...]]]
) -> dict[str, np.ndarray]:
    """Arrays over all steps of a table, made part by part: in memory, or where the table is mapped, in temporary files.

    Args:
        forms: name -> type, and axes of one step.
    """

    def make(writer: Writer) -> Mapping[str, Any]:
        with ExitStack() as stack:
            arrays = {
                name: stack.enter_context(writer.array(name, dtype, axes)) for name, (dtype, axes) in forms.items()
            }
            for part in parts():
                for name, array in arrays.items():
                    array.append(part[name])
        return {}

    found = in_temporary_files(make, "forecaster", table.folder) if table.told else in_memory(make)
    return {name: np.asarray(found[name].values) for name in forms}


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
