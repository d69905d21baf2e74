"""Forecasts of what comes after the end of series, as a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float64, Int64, Integer

from carrousel.data.ragged import Ragged
from carrousel.data.readers.series import SeriesTable
from carrousel.data.readers.static import Static
from carrousel.data.windows import Windows
from carrousel.errors import ConfigError, DataError
from carrousel.models.forecaster.figures import Forecasts
from carrousel.models.forecaster.forecasts import forecasts
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.panel import Panel, keep

POINT = "forecast"
BLOCK = 1 << 14
"""Steps copied together."""


@dataclass(frozen=True, eq=False)
class Forecast(Mapping[str, np.ndarray]):
    """Columns by name: the series, the time, `forecast`, and `lo-80`, `hi-80` and so on; a row a series and step.

    Attributes:
        columns: by name, all of the same length.
        table: the series that were forecast.
        like: "pandas", "polars" or "pyarrow", the library of the frame that was given, if it was one.
    """

    columns: Mapping[str, np.ndarray] = field(repr=False)
    table: SeriesTable = field(repr=False)
    like: str | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        """A column."""
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        """The names of the columns."""
        return iter(self.columns)

    def __len__(self) -> int:
        """Number of columns."""
        return len(self.columns)

    def __repr__(self) -> str:
        """The first lines."""
        return "\n".join(line for line, _ in zip(self.lines(), range(7), strict=False))

    def frame(self, library: str | None = None) -> Any:
        """A frame of pandas, polars or pyarrow: of the library that the series came in, or of the one named.

        Raises:
            ConfigError: neither says which, or it is not installed.
        """
        name = library or self.like
        if name is None:
            raise ConfigError(
                "frame: the series came in no frame, expected the name of a library. Give pandas, polars or pyarrow."
            )
        try:
            import narwhals

            return narwhals.from_dict(dict(self.columns), backend=cast(Any, name)).to_native()
        except ImportError:
            raise ConfigError(
                f"frame: {name} or narwhals is not installed, expected both. Install them: pip install 'carrousel[tables]' {name}"
            ) from None

    def lines(self) -> Iterator[str]:
        """The table as CSV, its header first."""
        yield ",".join(_quoted(name) for name in self.columns)
        is_number = self.table.frequency.unit == "number"
        cells = [
            [
                self.table.text(int(stamp))
                for stamp in (column if is_number else column.astype("datetime64[us]").astype(np.int64))
            ]
            if name == self.table.columns.ds or name == "cutoff"
            else [f"{value:.6g}" if isinstance(value, float) else _quoted(str(value)) for value in column.tolist()]
            for name, column in self.columns.items()
        ]
        for row in zip(*cells, strict=True):
            yield ",".join(row)

    def plot(
        self, path: str | Path | None = None, series: Sequence[str] | None = None, history: int | None = None
    ) -> Any:
        """A picture of history, forecast and intervals.

        Args:
            path: of a .png, .svg or .pdf to write; left out, the Matplotlib figure is returned alone.
            series: their names; the first four when left out.
            history: steps shown before the forecast; four times what was forecast when left out.

        Returns:
            The Matplotlib figure.

        Raises:
            ConfigError: Matplotlib is not installed, there is no such series, or the file's name ends in another way.
            DataError: the file cannot be written.
        """
        from carrousel.models.forecaster.plots import plot

        return plot(self, None if path is None else Path(path), series, history)


def forecast_ahead(
    network: ForecasterNetwork,
    table: SeriesTable,
    static: Static | None,
    level: Any,
    where: str,
    like: str | None = None,
) -> Forecast:
    """The horizon after the last observed y of each series.

    Raises:
        ConfigError: the head has no such intervals.
        DataError: a series is too short, or the coming values of a covariate that the network reads are missing.
    """
    parts = list(_ahead(network, table, static, level, where))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Forecast(columns, table, like)


def lines_ahead(
    network: ForecasterNetwork, table: SeriesTable, static: Static | None, level: Any, where: str
) -> Iterator[str]:
    """The same as lines of CSV, its header first, made as they are asked for."""
    for number, columns in enumerate(_ahead(network, table, static, level, where)):
        yield from islice(Forecast(columns, table).lines(), min(number, 1), None)


def _ahead(
    network: ForecasterNetwork, table: SeriesTable, static: Static | None, level: Any, where: str
) -> Iterator[dict[str, np.ndarray]]:
    """The columns of the forecast, of some series at a time."""
    model = network.model
    known = known_steps(table)
    least = model.min_context or model.context
    for name, steps in zip(table.names, known.tolist(), strict=True):
        if steps < least:
            raise DataError(
                f"{where}: the series {name!r} has {steps:,} steps up to its last observed {table.columns.y}, expected at least "
                f"{least:,}. Give more of its past, or train with a lower model.min_context."
            )
    longer = _with_horizon(table, known, model.horizon, network.recipe.flagged, where)
    panel = Panel(longer, static, network.recipe, known)
    windows = Windows(panel.offsets, model.context, model.horizon, begins=known, min_context=model.min_context)
    percent, levels = intervals(network, level, where)
    for rows, found in forecasts(network, panel, windows, np.arange(len(windows)), levels):
        yield table_of(longer, windows, rows, found, percent)


def intervals(network: ForecasterNetwork, level: Any, where: str) -> tuple[list[float], list[float]]:
    """Intervals in percent, and the levels of the quantiles at their ends, rising.

    Args:
        level: percent, one or several; what the head learned when left out: 80 and 95 for a distribution.

    Raises:
        ConfigError: no percentages, or the head has no intervals.
    """
    head, is_point = network.model.head, network.model.head in ("median", "mean")
    if level is None:
        percent = [] if is_point else list(network.model.level) if head == "quantile" else [80.0, 95.0]
    else:
        given = list(cast(Sequence[Any], level)) if isinstance(level, (list, tuple)) else [level]
        percent = [float(value) for value in given if isinstance(value, (int, float))]
        if len(percent) != len(given) or not all(0 < value < 100 for value in percent):
            raise ConfigError(
                f"{where}: level is {level!r}, expected percent, such as [80, 95]. Give numbers between 0 and 100."
            )
    if percent and is_point:
        raise ConfigError(
            f"{where}: level is {level!r}, but the head {head!r} gives one number. Train with model.head=quantile, or ask for none."
        )
    percent = sorted(set(percent))
    tails = [(50 - value / 2) / 100 for value in percent]
    return percent, [round(tail, 9) for tail in reversed(tails)] + [round(1 - tail, 9) for tail in tails]


def table_of(
    table: SeriesTable, windows: Windows, rows: Integer[np.ndarray, " B"], found: Forecasts, percent: Sequence[float]
) -> dict[str, np.ndarray]:
    """Columns of a forecast, window by window; `found.levels` are the ends of the intervals, rising."""
    series, origins = windows.places(rows)
    stamps = np.concatenate(
        [
            table.frequency.stamps(int(table.starts[k]), origin + np.arange(windows.horizon))
            for k, origin in zip(series.tolist(), origins.tolist(), strict=True)
        ]
    )
    columns = {
        table.columns.unique_id: np.repeat(
            np.array([table.names[k] for k in series.tolist()], np.str_), windows.horizon
        ),
        table.columns.ds: times(table, stamps),
        POINT: found.point.T.ravel(),
    }
    for k, value in enumerate(percent):  # the widest interval is outermost
        low, high = len(percent) - 1 - k, len(percent) + k
        columns[f"lo-{value:g}"] = found.quantiles[..., low].T.ravel()
        columns[f"hi-{value:g}"] = found.quantiles[..., high].T.ravel()
    return columns


def times(table: SeriesTable, stamps: Int64[np.ndarray, " N"]) -> np.ndarray:
    """Time stamps as numbers, or as datetime64."""
    return stamps if table.frequency.unit == "number" else stamps.astype("datetime64[us]")


def known_steps(table: SeriesTable) -> Int64[np.ndarray, " num_series"]:
    """For each series the steps up to its last observed y."""
    return np.array([_known(values[:, 0]) for values in table.values], np.int64)


def _known(y: Float64[np.ndarray, " T"]) -> int:
    for end in range(len(y), 0, -BLOCK):
        begin = max(0, end - BLOCK)
        seen = np.flatnonzero(~np.isnan(y[begin:end]))
        if len(seen):
            return begin + int(seen[-1]) + 1
    return 0


def _with_horizon(
    table: SeriesTable, known: Int64[np.ndarray, " num_series"], horizon: int, flagged: Sequence[str], where: str
) -> SeriesTable:
    """Series that end with the horizon, in which only covariates known ahead have values; kept as those of the table are."""
    channels, num_past = table.columns.channels, len(table.columns.past)

    def parts() -> Iterator[dict[str, np.ndarray]]:
        for name, values, steps in zip(table.names, table.values, known.tolist(), strict=True):
            for begin in range(0, steps, BLOCK):
                yield {"values": values[begin : min(begin + BLOCK, steps)]}
            yield {"values": ahead(name, values[steps : steps + horizon])}

    def ahead(name: str, coming: Float64[np.ndarray, "T C"]) -> Float64[np.ndarray, "horizon C"]:
        part = np.full((horizon, coming.shape[1]), np.nan)
        part[: len(coming), 1 + num_past :] = coming[:, 1 + num_past :]
        for c in range(1 + num_past, len(channels)):
            missing = int(np.isnan(part[:, c]).sum())
            if missing and channels[c] not in flagged:
                raise DataError(
                    f"{where}: the covariate {channels[c]} of the series {name!r} has no value in {missing:,} of the {horizon:,} "
                    f"steps to forecast, expected all: it is declared as known ahead. Add rows with it after the last "
                    f"{channels[0]}, and leave {channels[0]} empty there."
                )
        return part

    values = keep(table, parts, {"values": (np.float64, (len(channels),))})["values"]
    return replace(table, values=Ragged(values, np.append(0, np.cumsum(known + horizon))))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r') else text
