"""A laid-out drawing as SVG text, readable on light and on dark paper."""

import itertools
import re
from html import escape

from carrousel.drawing.diagram import FUNCTION, INPUT, JOIN, LAYER, OPERATION, STATE, Glyph
from carrousel.drawing.geometry import Geometry, Point
from carrousel.drawing.names import greek, printed
from carrousel.drawing.placement import ENTRANCE, spines

CORNER = 9.0
ARROW = 7.0

_LIGHT = {
    "paper": "#ffffff", "ink": "#1f2933", "wire": "#52606d", "line": "#d9480f", "layer": "#fff3bf", "layer-edge": "#b08900",
    "function": "#d3f9d8", "function-edge": "#2b8a3e", "operation": "#ffe3e3", "operation-edge": "#c92a2a",
}  # fmt: skip
_DARK = {
    "paper": "#15191e", "ink": "#e9ecef", "wire": "#9aa5b1", "line": "#ff922b", "layer": "#4a3c00", "layer-edge": "#ffd43b",
    "function": "#173d20", "function-edge": "#69db7c", "operation": "#4a1d1d", "operation-edge": "#ffa8a8",
}  # fmt: skip


def svg(geometry: Geometry) -> str:
    """The picture as one SVG element; the same drawing always gives the same text."""
    legend, legend_width = _legend(geometry)
    width, height = max(geometry.width, legend_width), geometry.height + 26
    name = geometry.found.name
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
            f'height="{_n(height)}" role="img" aria-label="One time step of {escape(name)}">',
            f"<title>One time step of {escape(name)}</title>",
            f"<style>{_style()}</style>",
            f'<rect class="paper" width="{_n(width)}" height="{_n(height)}" rx="8"/>',
            f'<g transform="translate({_n((width - geometry.width) / 2)} 0)">',
            *_wires(geometry),
            *(part for glyph in geometry.found.glyphs for part in _glyph(geometry, glyph)),
            *_labels(geometry),
            "</g>",
            *legend,
            "</svg>",
            "",
        ]
    )


def _style() -> str:
    def rules(colours: dict[str, str]) -> str:
        return (
            f".paper{{fill:{colours['paper']}}}"
            f".halo{{stroke:{colours['paper']}}}"
            f".wire{{stroke:{colours['wire']}}}.tip,.dot,.join{{fill:{colours['wire']}}}"
            f".carrousel{{stroke:{colours['line']}}}.tip.on,.dot.on{{fill:{colours['line']};stroke:none}}"
            f".layer{{fill:{colours['layer']};stroke:{colours['layer-edge']}}}"
            f".function{{fill:{colours['function']};stroke:{colours['function-edge']}}}"
            f".operation{{fill:{colours['operation']};stroke:{colours['operation-edge']}}}"
            f"text{{fill:{colours['ink']}}}"
        )

    fixed = (
        ".halo,.wire,.carrousel{fill:none;stroke-linejoin:round}.wire{stroke-width:1.6}.halo{stroke-width:7}"
        ".carrousel{stroke-width:4}.layer,.function,.operation{stroke-width:1.4}"
        "text{font-family:'STIX Two Text','Latin Modern Math','Cambria Math',Cambria,'Times New Roman',serif;font-size:16px;"
        "text-anchor:middle}.name{font-style:italic}.left{text-anchor:start}.right{text-anchor:end}"
        ".note{font-size:12px;text-anchor:start}.below,.above{font-size:11px}"
    )
    return f"{fixed}{rules(_LIGHT)}@media (prefers-color-scheme:dark){{{rules(_DARK)}}}"


def _wires(geometry: Geometry) -> list[str]:
    """Wires over a halo of paper, net by net, so that a crossing shows which one passes; lines that carry the state last."""
    on_line = _carried(geometry)
    nets: dict[str, list[list[Point]]] = {}
    heavy: dict[str, list[list[Point]]] = {}
    for wire, way in geometry.ways():
        is_heavy = (wire.source, wire.reader) in on_line and not (wire.reader == "" and wire.side == "top")
        (heavy if is_heavy else nets).setdefault(wire.source, []).append(way)
    parts: list[str] = []
    branches = {source: _branches([*nets.get(source, []), *heavy.get(source, [])]) for source in [*nets, *heavy]}
    for group, name in ((nets, "wire"), (heavy, "carrousel")):
        for source, ways in group.items():
            data = " ".join(_path(way, branches[source]) for way in ways)
            parts += [f'<path class="halo" d="{data}"/>', f'<path class="{name}" d="{data}"/>']
    for source in branches:
        on = {point for way in heavy.get(source, []) for point in branches[source] if _is_on(point, way)}
        parts += [_dot(point, point in on) for point in branches[source]]
        parts += [_tip(way, is_heavy=False) for way in nets.get(source, [])]
        parts += [_tip(way, is_heavy=True) for way in heavy.get(source, []) if way[-1][0] == geometry.right]
    return parts


def _carried(geometry: Geometry) -> set[tuple[str, str]]:
    """(source, reader) of the wires on the lines that carry the state; the reader is empty where a line leaves."""
    pairs: set[tuple[str, str]] = set()
    for line in spines(geometry.found):
        pairs |= {(a, b) for a, b in zip(line, [*line[1:], ""], strict=True)}
    return pairs


def _path(way: list[Point], branches: list[Point]) -> str:
    """SVG path data with round corners, but for those where wires of one net part."""
    parts = [f"M{_n(way[0][0])} {_n(way[0][1])}"]
    for before, corner, after in zip(way, way[1:], way[2:], strict=False):
        radius = 0 if corner in branches else min(CORNER, _distance(before, corner) / 2, _distance(corner, after) / 2)
        start, end = _towards(corner, before, radius), _towards(corner, after, radius)
        parts.append(f"L{_n(start[0])} {_n(start[1])}Q{_n(corner[0])} {_n(corner[1])} {_n(end[0])} {_n(end[1])}")
    parts.append(f"L{_n(way[-1][0])} {_n(way[-1][1])}")
    return "".join(parts)


def _branches(ways: list[list[Point]]) -> list[Point]:
    """Where a wire of a net leaves another one of the same net."""
    corners = {corner for way in ways for corner in way[1:-1]}
    found: list[Point] = []
    for corner in sorted(corners):
        directions: set[tuple[int, int]] = set()
        for way in ways:
            for a, b in itertools.pairwise(way):
                directions |= _directions(corner, a, b)
        if len(directions) > 2:
            found.append(corner)
    return found


def _is_on(point: Point, way: list[Point]) -> bool:
    return any(_directions(point, a, b) for a, b in itertools.pairwise(way))


def _directions(point: Point, a: Point, b: Point) -> set[tuple[int, int]]:
    """The directions in which a straight piece leaves a point that lies on it."""
    is_on = min(a[0], b[0]) <= point[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= point[1] <= max(a[1], b[1])
    if not is_on:
        return set()
    return {(_sign(end[0] - point[0]), _sign(end[1] - point[1])) for end in (a, b) if end != point}


def _dot(point: Point, is_heavy: bool) -> str:
    return f'<circle class="dot{" on" if is_heavy else ""}" cx="{_n(point[0])}" cy="{_n(point[1])}" r="{4 if is_heavy else 3}"/>'


def _tip(way: list[Point], *, is_heavy: bool) -> str:
    (x0, y0), (x, y) = way[-2], way[-1]
    dx, dy = _sign(x - x0), _sign(y - y0)
    length, half = (ARROW + 4, 6.0) if is_heavy else (ARROW, 3.6)
    x, y = (x + 3 * dx, y + 3 * dy) if is_heavy else (x, y)
    bx, by = x - length * dx, y - length * dy
    points = [(x, y), (bx - half * dy, by - half * dx), (bx + half * dy, by + half * dx)]
    text = " ".join(f"{_n(px)},{_n(py)}" for px, py in points)
    return f'<polygon class="tip{" on" if is_heavy else ""}" points="{text}"/>'


def _glyph(geometry: Geometry, glyph: Glyph) -> list[str]:
    x, y = geometry.centre(glyph.key)
    wide, high = geometry.size(glyph.key)
    if glyph.kind in (STATE, INPUT) or wide == 0:
        return []
    if glyph.kind == JOIN:
        return [
            f'<rect class="join" x="{_n(x - wide / 2)}" y="{_n(y - high / 2)}" width="{_n(wide)}" height="{_n(high)}" rx="2"/>'
        ]
    radius = {LAYER: 4, FUNCTION: high / 2, OPERATION: high / 2}[glyph.kind]
    about = f"{glyph.label or glyph.symbol}{' with ' + ', '.join(glyph.weights) if glyph.weights else ''}"
    shape = (
        f'<rect class="{glyph.kind}" x="{_n(x - wide / 2)}" y="{_n(y - high / 2)}" width="{_n(wide)}" height="{_n(high)}" '
        f'rx="{_n(radius)}"><title>{escape(about)}</title></rect>'
    )
    if glyph.symbol in glyph.weights:
        return [shape, _name(x, y + 5.5, glyph.symbol, "middle")]
    return [shape, f'<text x="{_n(x)}" y="{_n(y + 5.5)}">{_symbol(glyph.symbol)}</text>']


def _symbol(text: str) -> str:
    """What stands in a glyph, with the indices of parameter names below the line."""
    parts = re.split(r"(?<=[^\W\d_])_([^\W_]\w*)", greek(text))
    drawn: list[str] = []
    for k, part in enumerate(parts):
        if k % 2:
            drawn.append(f'<tspan class="below" dy="4">{escape(part)}</tspan>')
        elif k and part:
            drawn.append(f'<tspan dy="-4">{escape(part)}</tspan>')
        else:
            drawn.append(escape(part))
    return "".join(drawn)


def _labels(geometry: Geometry) -> list[str]:
    found, placed = geometry.found, geometry.placed
    parts: list[str] = []
    leaving = {(label, key) for label, key in (*found.exits, found.output)}
    for glyph in found.glyphs:
        x, y = geometry.centre(glyph.key)
        if placed.columns[glyph.key] == ENTRANCE:
            parts.append(_name(x - 8, y + 5, glyph.label, "right"))
        elif glyph.kind == INPUT:
            parts.append(_name(x, y + 20, glyph.label, "middle"))
        elif glyph.label and (found.readers[glyph.key] or (glyph.label, glyph.key) not in leaving):
            if glyph.kind == OPERATION and (glyph.label, glyph.key) in leaving:
                continue
            wide, high = geometry.size(glyph.key)
            rises = (
                placed.tracks[glyph.key] < placed.rows[glyph.key] or placed.ends[glyph.key] == placed.columns[glyph.key]
            )
            above = y - high / 2 - 7
            parts.append(
                _name(x + 7, above, glyph.label, "left")
                if rises
                else _name(x + wide / 2 + 4, above + 8, glyph.label, "left")
            )
    leaving_wires = [wire for wire in geometry.routes.wires if wire.reader == "" and wire.side == "right"]
    for (label, _), wire in zip(found.exits, leaving_wires, strict=True):
        parts.append(_name(geometry.right + 10, geometry.ys[wire.exit] + 5, label, "left"))
    x = geometry.xs[placed.num_columns]
    parts.append(_name(x, geometry.top - 8, found.output[0], "middle"))
    return parts


def _name(x: float, y: float, name: str, anchor: str) -> str:
    parts = printed(name)
    below = f'<tspan class="below" dy="4">{escape(parts.below)}</tspan>' if parts.below else ""
    raised = "-11" if parts.below else "-7"
    above = f'<tspan class="above" dy="{raised}">{escape(parts.above)}</tspan>' if parts.above else ""
    return f'<text class="name {anchor}" x="{_n(x)}" y="{_n(y)}">{escape(parts.letter)}{below}{above}</text>'


def _legend(geometry: Geometry) -> tuple[list[str], float]:
    """What the shapes mean, in one line, and where that line ends."""
    y, x = geometry.height + 8, 20.0
    kinds = {glyph.kind for glyph in geometry.found.glyphs}
    entries: list[tuple[str, str]] = []
    if LAYER in kinds:
        entries.append(
            (f'<rect class="layer" x="{{}}" y="{_n(y - 11)}" width="20" height="13" rx="3"/>', "layer with weights")
        )
    if FUNCTION in kinds:
        entries.append(
            (f'<rect class="function" x="{{}}" y="{_n(y - 11)}" width="20" height="13" rx="6.5"/>', "without weights")
        )
    if OPERATION in kinds:
        entries.append((f'<circle class="operation" cx="{{c}}" cy="{_n(y - 4.5)}" r="7"/>', "element by element"))
    if any(g.kind == JOIN and len(g.inputs) > 1 for g in geometry.found.glyphs):
        entries.append((f'<rect class="join" x="{{c}}" y="{_n(y - 13)}" width="5" height="17" rx="2"/>', "joined"))
    if spines(geometry.found):
        entries.append((f'<path class="carrousel" d="M{{}} {_n(y - 4.5)}h20"/>', "the carrousel"))
    parts: list[str] = []
    for shape, words in entries:
        parts.append(shape.replace("{}", _n(x)).replace("{c}", _n(x + 10)))
        parts.append(f'<text class="note" x="{_n(x + 27)}" y="{_n(y)}">{words}</text>')
        x += 27 + 6.1 * len(words) + 18
    return parts, x


def _distance(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(corner: Point, other: Point, radius: float) -> Point:
    return corner[0] + radius * _sign(other[0] - corner[0]), corner[1] + radius * _sign(other[1] - corner[1])


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
