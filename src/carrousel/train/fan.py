"""A forecast as SVG: what was observed, what is expected, and intervals around it as bands, darker where likelier."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from carrousel.train.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, names_of, path_of

HEAD = 16  # room above for the mark at which the forecast begins


@dataclass(frozen=True)
class Fan:
    """A forecast after its history.

    Attributes:
        title: what is forecast, such as the name of a series.
        y_name: what the values are.
        times: of all steps, those of the forecast last.
        observed: at each of them; None where nothing was.
        forecast: at the last steps.
        bands: (name, lows, highs) of an interval at the same steps, the widest first.
    """

    title: str
    y_name: str
    times: Sequence[str]
    observed: Sequence[float | None]
    forecast: Sequence[float]
    bands: Sequence[tuple[str, Sequence[float], Sequence[float]]] = ()

    def __post_init__(self) -> None:
        sizes = {len(part) for _, low, high in self.bands for part in (low, high)}
        if len(self.observed) != len(self.times) or sizes - {len(self.forecast)} or not self.forecast:
            raise ValueError(
                f"{self.title} has {len(self.times)} times, {len(self.observed)} values, {len(self.forecast)} forecasts"
            )

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Fan":
        """From JSON.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        return cls(
            title=str(found["title"]),
            y_name=str(found["y_name"]),
            times=[str(time) for time in found["times"]],
            observed=[None if value is None else float(value) for value in found["observed"]],
            forecast=[float(value) for value in found["forecast"]],
            bands=[(str(name), list(map(float, low)), list(map(float, high))) for name, low, high in found["bands"]],
        )

    def svg(self) -> str:
        """The chart as an SVG element, to be styled by the page that it stands in."""
        first, last = len(self.times) - len(self.forecast), len(self.times) - 1
        seen = [(k, value) for k, value in enumerate(self.observed) if value is not None]
        values = [value for _, value in seen] + [*self.forecast]
        values += [value for _, low, high in self.bands for part in (low, high) for value in part]
        x, y = (
            Axis.over(0, max(last, 1), LEFT, RIGHT),
            Axis.over(min(values), max(values), BOTTOM, TOP + HEAD, room=0.04),
        )
        parts = [*self._axes(x, y, first)]
        for k, (name, low, high) in enumerate(self.bands):
            edge = [*enumerate(high, first), *reversed(list(enumerate(low, first)))]
            style = f"fill-opacity:{0.2 + 0.45 * k / len(self.bands):.2f}"
            told = f"<title>{escape(name)}</title>"
            parts.append(f'<path class="band" style="{style}" d="{path_of(edge, x, y)}Z">{told}</path>')
        parts += [f'<path class="observed" d="{path_of(run, x, y)}"/>' for run in _runs(self.observed)]
        points = list(enumerate(self.forecast, first))
        parts.append(f'<path class="forecast" d="{path_of(points, x, y)}"/>')
        data = {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM, "width": WIDTH, "label": "", "name": "forecast",
                "names": list(self.times),
                "points": [[k, value, round(x.place(k), 1), round(y.place(value), 1)] for k, value in points]}  # fmt: skip
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}" '
            f'data-chart="{escape(json.dumps(data))}">{"".join(parts)}</svg>'
        )

    def _axes(self, x: Axis, y: Axis, first: int) -> list[str]:
        parts: list[str] = []
        for tick, name in zip(y.ticks, names_of(y.ticks), strict=True):
            at = y.place(tick)
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{RIGHT}"/>')
            parts.append(f'<text x="{LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{name}</text>')
        start, times = x.place(first), _short(self.times)
        parts.append(f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}M{start:.1f} {BOTTOM}V{TOP}"/>')
        side, gap = ("end", -5) if start > (LEFT + RIGHT) / 2 else ("start", 5)
        parts.append(
            f'<text x="{start + gap:.1f}" y="{TOP + 4}" text-anchor="{side}">forecast from {escape(times[first])}</text>'
        )
        parts.append(f'<text x="{LEFT}" y="{BOTTOM + 16}">{escape(times[0])}</text>')
        parts.append(f'<text x="{RIGHT}" y="{BOTTOM + 16}" text-anchor="end">{escape(times[-1])}</text>')
        parts.append(f'<text x="{LEFT - 7}" y="{TOP}" text-anchor="end">{escape(self.y_name[:8])}</text>')
        return parts


def _runs(values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """Stretches without a gap; a single point has no line."""
    found: list[list[tuple[float, float]]] = [[]]
    for k, value in enumerate(values):
        if value is None:
            found.append([])
        else:
            found[-1].append((k, value))
    return [run for run in found if len(run) > 1]


def _short(times: Sequence[str]) -> list[str]:
    """Times without the seconds, minutes and hours that are zero in all of them."""
    for end in (":00", " 00:00", "T00:00"):
        if all(time.endswith(end) and ":" in time for time in times):
            times = [time.removesuffix(end) for time in times]
    return list(times)
