"""History, forecast and intervals as a picture."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from carrousel.errors import ConfigError
from carrousel.files import write_atomically

if TYPE_CHECKING:
    from carrousel.models.forecaster.future import Forecast

INK, HISTORY, FORECAST = "#222222", "#333333", "#0b6fb8"
DASHES = (0, (5, 1.2))  # of the forecast, which grey printers do not tell from the history by its colour
MOST_SERIES = 4
FORMATS = (".png", ".svg", ".pdf")


def plot(forecast: "Forecast", path: Path | None, series: Sequence[str] | None, history: int | None) -> Any:
    """One panel a series: what was observed as a grey line, the forecast as a blue one, intervals as bands, darker where likelier.

    Where there are more series than are drawn, a line below says so.

    Args:
        path: of a file to write, or None; it is replaced if it is there.
        series: their names; the first four when None.
        history: steps shown before the forecast; four times what was forecast when None.

    Raises:
        ConfigError: Matplotlib is not installed, there is no such series, or the file's name ends in another way.
        DataError: the file cannot be written.
    """
    if path is not None and path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"plot: the file is {path}, expected a name that ends in {', '.join(FORMATS)}. Name another, such as forecast.png."
        )
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "plot: Matplotlib is not installed, expected it. Install it: pip install 'carrousel[plot]'"
        ) from None
    table = forecast.table
    names = list(dict.fromkeys(forecast[table.columns.unique_id].tolist()))
    chosen = names[:MOST_SERIES] if series is None else list(series)
    for name in chosen:
        if name not in names:
            raise ConfigError(
                f"plot: there is no series {name!r}, expected one of {', '.join(names[:20])}. Name another."
            )
    figure: Any = Figure(figsize=(8, 0.8 + 2.4 * len(chosen)), layout="constrained", dpi=150)
    for axes, name in zip(figure.subplots(len(chosen), squeeze=False)[:, 0], chosen, strict=True):
        _draw(axes, forecast, name, history)
        if len(names) > 1:
            axes.set_title(name, loc="left", fontsize=9, color=INK)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    order = [len(handles) - 2, len(handles) - 1, *range(len(handles) - 2)]  # the lines first, then the bands
    shown = {"ncols": len(handles), "frameon": False, "fontsize": 8}
    figure.legend([handles[k] for k in order], [labels[k] for k in order], loc="outside upper left", **shown)
    if len(chosen) < len(names):
        left = f"{len(chosen)} of {len(names):,} series" + (", the first ones" if series is None else "")
        figure.supxlabel(left, x=0.99, ha="right", fontsize=7.5, color=HISTORY)
    if path is not None:
        drawn = BytesIO()
        figure.savefig(drawn, format=path.suffix[1:].lower())
        write_atomically(path, drawn.getvalue())
    return figure


def _draw(axes: Any, forecast: "Forecast", name: str, history: int | None) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    table, columns = forecast.table, forecast.table.columns
    rows = np.flatnonzero(forecast[columns.unique_id] == name)
    order = rows[np.argsort(forecast[columns.ds][rows], kind="stable")]
    ds: Any = forecast[columns.ds][order]
    shown = 4 * len(order) if history is None else history
    k = table.names.index(name)
    stamps, y = table.stamps(k), table.values[k][:, 0]
    past: Any = stamps if table.frequency.unit == "number" else stamps.astype("datetime64[us]")
    first, last = np.searchsorted(past, [ds[0], ds[-1]]).tolist()
    kept = slice(max(0, first - shown), last + 1)
    percents = [column.removeprefix("lo-") for column in forecast if column.startswith("lo-")]
    for place, percent in enumerate(reversed(percents)):  # widest first, so that the darker ones lie on top
        low, high = forecast[f"lo-{percent}"][order], forecast[f"hi-{percent}"][order]
        shade = mixed(0.18 + 0.4 * place / len(percents))
        axes.fill_between(ds, low, high, color=shade, linewidth=0, label=f"{percent} %")
    axes.plot(past[kept], y[kept], color=HISTORY, linewidth=1.1, label="observed")
    axes.plot(ds, forecast["forecast"][order], color=FORECAST, linewidth=1.7, linestyle=DASHES, label="forecast")
    axes.axvline(ds[0], color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set_ylabel(columns.y, fontsize=8, color=INK)
    axes.set_xlabel(columns.ds, fontsize=8, color=INK)
    axes.margins(x=0.01)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8, color="#999999", left=False)
    if table.frequency.unit != "number":
        locator = AutoDateLocator(maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.xaxis.get_offset_text().set_size(8)


def mixed(part: float) -> tuple[float, float, float]:
    """The colour of forecasts, mixed with white: bands that lie on each other look as the legend shows them."""
    red, green, blue = (int(FORECAST[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return 1 - part * (1 - red), 1 - part * (1 - green), 1 - part * (1 - blue)
