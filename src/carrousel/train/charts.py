"""Line charts as SVG, drawn to be styled by the page that they stand in.

Each is 440 units wide and scales with its column. Its numbers are in the attribute `data-chart` as JSON, for a script that shows
the values under the pointer; without a script it is a picture.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 440, 240
LEFT, RIGHT, TOP, BOTTOM = 54, 430, 14, 206
MOST_POINTS = 240  # of a line; more are drawn as means, with their range behind them

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: of what is drawn.
        points: (x, y), x rising.
        ranges: (x, lowest, highest), of what the points are means of.
        has_marks: whether each point is marked.
    """

    name: str
    points: Sequence[Point]
    ranges: Sequence[tuple[float, float, float]] = ()
    has_marks: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart with a line, or dots, or both, and further values as dashed horizontal lines.

    Attributes:
        line: what is drawn; without points where there are dots only.
        x_label: what x counts.
        levels: (name, y) of values to compare with.
        best: the point to point out.
        is_logarithmic: whether y is.
        dots: single points; their values are shown under the pointer in place of the line's.
        is_x_logarithmic: whether x is.
        x_names: what stands under x = 0, 1, ... in place of numbers.
    """

    line: Line
    x_label: str = "updates"
    levels: Sequence[tuple[str, float]] = ()
    best: Point | None = None
    is_logarithmic: bool = False
    dots: Sequence[Point] = ()
    is_x_logarithmic: bool = False
    x_names: Sequence[str] = ()

    def svg(self) -> str:
        """The chart as an SVG element."""
        ys = [y for _, y in (*self.line.points, *self.dots)]
        ys += [y for _, low, high in self.line.ranges for y in (low, high)] + [y for _, y in self.levels]
        x_axis, y_axis = self._x_axis(), self._y_axis(ys)
        parts = [*_grid(x_axis, y_axis, self.x_label), *self._levels(y_axis), *self._drawn(x_axis, y_axis)]
        told = self.dots or self.line.points
        data = {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM, "width": WIDTH, "label": self.x_label,
                "name": self.line.name, "names": list(self.x_names),
                "points": [[x, y, round(x_axis.place(x), 1), round(y_axis.place(y), 1)] for x, y in told]}  # fmt: skip
        described = f"{self.line.name}: {number(told[-1][1])} at the end"
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(described)}" '
            f'data-chart="{escape(json.dumps(data))}">{"".join(parts)}</svg>'
        )

    def _x_axis(self) -> "Axis":
        xs = [x for x, _ in (*self.line.points, *self.dots)]
        if self.x_names:
            last = len(self.x_names) - 1
            return Axis(-0.5, last + 0.5, LEFT, RIGHT, range(last + 1), names=self.x_names)
        if self.is_x_logarithmic:
            return Axis.of_powers(min(xs), max(xs), LEFT, RIGHT)
        return Axis.over(min(xs) if self.dots else min(0, *xs), max(xs), LEFT, RIGHT, room=0.04 if self.dots else 0.0)

    def _y_axis(self, ys: Sequence[float]) -> "Axis":
        if self.is_logarithmic:
            return Axis.of_powers(min(ys), max(ys), BOTTOM, TOP)
        return Axis.over(min(ys), max(ys), BOTTOM, TOP, room=0.04)

    def _levels(self, y_axis: "Axis") -> list[str]:
        parts: list[str] = []
        places = spread([y_axis.place(y) - 4 for _, y in self.levels], 12)
        for (name, value), place in zip(self.levels, places, strict=True):
            y = y_axis.place(value)
            parts.append(f'<path class="level" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
            text = escape(f"{name} {number(value)}")
            parts.append(f'<text class="level-name" x="{RIGHT}" y="{place:.1f}" text-anchor="end">{text}</text>')
        return parts

    def _drawn(self, x_axis: "Axis", y_axis: "Axis") -> list[str]:
        parts: list[str] = []
        if self.line.ranges:
            upper = [(x, high) for x, _, high in self.line.ranges]
            lower = [(x, low) for x, low, _ in reversed(self.line.ranges)]
            parts.append(f'<path class="range" d="{path_of([*upper, *lower], x_axis, y_axis)}Z"/>')
        parts += [_dot(point, x_axis, y_axis, "dot", 3) for point in self.dots]
        if self.line.points:
            parts.append(f'<path class="line" d="{path_of(self.line.points, x_axis, y_axis)}"/>')
        if self.line.has_marks and len(self.line.points) <= MOST_POINTS / 4:
            parts += [_dot(point, x_axis, y_axis, "mark", 2.5) for point in self.line.points]
        if self.best is not None:
            parts.append(_dot(self.best, x_axis, y_axis, "best", 4.5))
        return parts


@dataclass(frozen=True)
class Axis:
    """Values along one direction of a chart, from `low` at `start` to `high` at `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]
    is_logarithmic: bool = False
    names: Sequence[str] = ()

    @classmethod
    def over(cls, low: float, high: float, start: float, end: float, room: float = 0.0) -> "Axis":
        """An axis with round ticks that holds these values, with a part of them as room on both sides."""
        span = high - low or abs(high) or 1.0
        room *= span
        raw = span / 5
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * 0.999)
        first, last = math.ceil((low - room) / step - 1e-9), math.floor((high + room) / step + 1e-9)
        return cls(low - room, high + room if span else 1.0, start, end, [k * step for k in range(first, last + 1)])

    @classmethod
    def of_powers(cls, low: float, high: float, start: float, end: float) -> "Axis":
        """A logarithmic axis; its ticks are powers of ten, and 2 and 5 times these where they are few."""
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        ticks = [10.0**power for power in range(first, last + 1, max(1, (last - first) // 4))]
        if last - first <= 2:
            ticks = [10.0**power * factor for power in range(first, last + 1) for factor in (1, 2, 5)]
        low, high = low / 1.1, high * 1.1
        return cls(low, high, start, end, [tick for tick in ticks if low <= tick <= high], True)

    def place(self, value: float) -> float:
        """Where a value lies, in units of the picture."""
        low, high = (math.log(self.low), math.log(self.high)) if self.is_logarithmic else (self.low, self.high)
        at = math.log(max(value, self.low)) if self.is_logarithmic else value
        return self.start + (at - low) / ((high - low) or 1.0) * (self.end - self.start)


def thinned(name: str, points: Sequence[Point]) -> Line:
    """A line of at most MOST_POINTS points: means of neighbours, with the range of what they stand for."""
    if len(points) <= MOST_POINTS:
        return Line(name, points)
    means: list[Point] = []
    ranges: list[tuple[float, float, float]] = []
    for k in range(MOST_POINTS):
        group = points[k * len(points) // MOST_POINTS : (k + 1) * len(points) // MOST_POINTS]
        ys = [y for _, y in group]
        means.append((group[-1][0], sum(ys) / len(ys)))
        ranges.append((group[-1][0], min(ys), max(ys)))
    return Line(name, means, ranges)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """The same places moved apart until none lies nearer to the next than `gap`; order and middle are kept."""
    order = sorted(range(len(places)), key=lambda k: places[k])
    moved = list(places)
    for _ in range(100):
        for low, high in pairwise(order):
            if (overlap := gap - (moved[high] - moved[low])) > 1e-9:
                moved[low] -= overlap / 2
                moved[high] += overlap / 2
    return moved


def number(value: float, digits: int = 3) -> str:
    """A number in few characters.

    Args:
        digits: that count.

    >>> number(0.25), number(12_000), number(1.5e6), number(3e-5), number(0)
    ('0.25', '12k', '1.5M', '3e-5', '0')
    """
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:.{digits}g}M"
    if size >= 1e4:
        return f"{value / 1e3:.{digits}g}k"
    if size >= 1e3:
        return f"{value:,.{max(0, digits - 4)}f}"
    if 0 < size < 1e-3:
        mantissa, _, power = f"{value:.{digits - 2}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
    return f"{round(value, 12):.{digits}g}"


def names_of(ticks: Sequence[float]) -> list[str]:
    """Numbers beside an axis, with as many digits as they have and as tell them apart.

    >>> names_of([113.75, 114.0, 114.25]), names_of([0, 0.5])
    (['113.75', '114', '114.25'], ['0', '0.5'])
    >>> names_of([0, 5e-4, 1.5e-3])
    ['0', '5e-4', '0.0015']
    """
    several = [[number(tick, digits) for tick in ticks] for digits in range(3, 9)]
    told = (names for names, longer in pairwise(several) if names == longer and len(set(names)) == len(names))
    return next(told, several[-1])


def _grid(x_axis: Axis, y_axis: Axis, x_label: str) -> list[str]:
    parts: list[str] = []
    for tick, name in zip(y_axis.ticks, names_of(y_axis.ticks), strict=True):
        y = y_axis.place(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
    for k, tick in enumerate(x_axis.ticks):
        x = x_axis.place(tick)
        anchor = "end" if x > RIGHT - 12 else "middle"
        name = escape(x_axis.names[k]) if x_axis.names else number(tick)
        parts.append(f'<text x="{min(x, RIGHT):.1f}" y="{BOTTOM + 16}" text-anchor="{anchor}">{name}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>')
    parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 3}" text-anchor="middle">{escape(x_label)}</text>')
    return parts


def path_of(points: Sequence[Point], x_axis: Axis, y_axis: Axis) -> str:
    """A line through these points, as the attribute `d` of a path has it."""
    places = [f"{x_axis.place(x):.1f} {y_axis.place(y):.1f}" for x, y in points]
    return "M" + "L".join(places)


def _dot(point: Point, x_axis: Axis, y_axis: Axis, name: str, radius: float) -> str:
    x, y = x_axis.place(point[0]), y_axis.place(point[1])
    return f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
