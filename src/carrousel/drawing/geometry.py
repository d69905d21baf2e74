"""From the grid to picture units: where columns, lanes and rows lie, the way of each wire, the size of each glyph."""

from dataclasses import dataclass, replace
from functools import cached_property

from carrousel.drawing.diagram import FUNCTION, INPUT, JOIN, LAYER, STATE, Diagram
from carrousel.drawing.names import greek
from carrousel.drawing.placement import ENTRANCE, Placement
from carrousel.drawing.routing import LEFT, RIGHT, TOP, Routes, Wire

Point = tuple[float, float]

MARGIN = 26
ENTRY, LEAVING = 62, 40
COLUMN, LANE = 74, 13
ROW, LAYER_ROW, BUS_ROW, FLOOR_ROW = 50, 62, 40, 50
TOP_ROOM = 46
RADIUS = 11
LAYER_HEIGHT, FUNCTION_HEIGHT = 30, 24
LAYER_WIDTH, FUNCTION_WIDTH = 46, 34
LETTER = 8.5
JOIN_WIDTH, JOIN_HEIGHT = 7, 26
PORT = 10


@dataclass(frozen=True, eq=False)
class Geometry:
    """Picture units of a placement."""

    found: Diagram
    placed: Placement
    routes: Routes

    @cached_property
    def xs(self) -> dict[int, float]:
        """Column -> its middle."""
        result: dict[int, float] = {ENTRANCE: MARGIN + ENTRY}
        x = float(MARGIN + ENTRY)
        for column in range(self.placed.num_columns + 1):
            wide = max((self.size(g.key)[0] for g in self.found.glyphs if self._column(g.key) == column), default=0)
            before = max(
                (self.size(g.key)[0] for g in self.found.glyphs if self._column(g.key) == column - 1), default=0
            )
            step = max(COLUMN if column else COLUMN - 20, (wide + before) / 2 + 26)
            step = step - 22 if column == self.placed.num_columns else step
            x += step + LANE * max(0, self.routes.lanes.get(column, 0) - 1)
            result[column] = x
        return result

    @cached_property
    def ys(self) -> list[float]:
        """Row -> its middle."""
        result: list[float] = []
        y = float(MARGIN + TOP_ROOM)
        layer, last = self.placed.layer_row, self.placed.num_rows - 1
        for row in range(self.placed.num_rows):
            if row:
                near_layer = row == layer or row - 1 == layer
                y += LAYER_ROW if near_layer else FLOOR_ROW if row == last else BUS_ROW if row > layer else ROW
            result.append(y)
        return result

    @property
    def width(self) -> float:
        """Of the whole picture."""
        return self.right + 34 + MARGIN

    @property
    def right(self) -> float:
        """Where the states leave."""
        return self.xs[self.placed.num_columns] + LEAVING

    @property
    def top(self) -> float:
        """Where the output leaves."""
        return MARGIN + 16

    @property
    def height(self) -> float:
        """Of the whole picture."""
        return self.ys[-1] + MARGIN + 18

    def centre(self, key: str) -> Point:
        """The middle of a glyph; x stands straight under the side of its reader at which it arrives."""
        x, y = self.xs[self._column(key)], self.ys[self.placed.rows[key]]
        if self.found[key].kind == INPUT:
            x += next((self._shift(w) for w in self.routes.wires if w.source == key and w.start != RIGHT), 0)
        return x, y

    def size(self, key: str) -> Point:
        """Width and height of a glyph."""
        glyph = self.found[key]
        if glyph.kind == LAYER:
            letters = 2 if glyph.symbol in glyph.weights else len(glyph.symbol)
            return max(LAYER_WIDTH, LETTER * letters + 16), LAYER_HEIGHT
        if glyph.kind == FUNCTION:
            return max(FUNCTION_WIDTH, LETTER * len(greek(glyph.symbol)) + 14), FUNCTION_HEIGHT
        if glyph.kind == JOIN:
            return (JOIN_WIDTH, JOIN_HEIGHT) if len(glyph.inputs) > 1 else (0, 0)
        if glyph.kind in (STATE, INPUT):
            return 0, 0
        return max(2 * RADIUS, LETTER * len(glyph.symbol) + 10 if len(glyph.symbol) > 1 else 0), 2 * RADIUS

    def ways(self) -> list[tuple[Wire, list[Point]]]:
        """Each wire with the corners of its way, the source first; a JOIN of one vector is a bend in its wires."""
        bends = {wire.reader: wire for wire in self.routes.wires if self._is_bend(wire.reader)}
        found: list[tuple[Wire, list[Point]]] = []
        for wire in self.routes.wires:
            if wire.source in bends:
                before = bends[wire.source]
                way = _straight([*self._way(before), *self._way(wire)])
                found.append((replace(wire, source=before.source), way))
            elif wire.reader not in bends:
                found.append((wire, self._way(wire)))
        return found

    def _is_bend(self, key: str) -> bool:
        return key != "" and self.found[key].kind == JOIN and len(self.found[key].inputs) == 1

    def _column(self, key: str) -> int:
        return self.placed.columns[key]

    def _way(self, wire: Wire) -> list[Point]:
        x, y = self.centre(wire.source)
        track = self.ys[wire.track]
        points = [(x, y)]
        if wire.reader == "":
            column, exit_row = self.xs[wire.column], self.ys[wire.exit]
            points += [(x, track), (column, track)]
            points += [(column, self.top)] if wire.side == TOP else [(column, exit_row), (self.right, exit_row)]
            return _straight(points)
        end_x, end_y = self.centre(wire.reader)
        wide, high = self.size(wire.reader)
        shift = self._shift(wire)
        if wire.side == LEFT:
            side = end_x - wide / 2
            if wire.lane < 0:
                return _straight([(x, y), (x, track), (side, track)])
            lane = end_x - self._room(wire) / 2 - 14 - LANE * wire.lane
            return _straight([(x, y), (x, track), (lane, track), (lane, end_y + shift), (side, end_y + shift)])
        edge = end_y - high / 2 if wire.side == TOP else end_y + high / 2
        if wire.start != RIGHT:
            return _straight([(x, y), (x, edge)])
        return _straight([(x, y), (x, track), (end_x + shift, track), (end_x + shift, edge)])

    def _room(self, wire: Wire) -> float:
        """Width of the widest glyph beside which a wire goes up or down in a gap, its reader among them."""
        top, bottom = sorted((wire.track, self.placed.rows[wire.reader]))
        beside = [
            self.size(glyph.key)[0]
            for glyph in self.found.glyphs
            if self._column(glyph.key) == wire.column and top <= self.placed.rows[glyph.key] <= bottom
        ]
        return max([*beside, 2 * RADIUS])

    def _shift(self, wire: Wire) -> float:
        """How far from the middle of its side a wire arrives, where several do."""
        same = [w for w in self.routes.wires if (w.reader, w.side) == (wire.reader, wire.side)]
        kind = self.found[wire.reader].kind
        if wire.side == LEFT:
            inline = any(w.lane < 0 for w in same)
            spread = 7 if kind in (JOIN, LAYER) else 5
            if wire.lane < 0:
                return 0
            number = [w.lane for w in same if w.lane >= 0].index(wire.lane)
            return spread * (number + 1) if inline else spread * (2 * number - (len(same) - 1)) / 2
        if len(same) == 1 or wire.side == RIGHT:
            return 0
        ordered = sorted(same, key=lambda w: (w.track, w.source))
        return PORT * (2 * ordered.index(wire) - (len(same) - 1)) / 2


def _straight(points: list[Point]) -> list[Point]:
    """The way without repeated points and without corners on a straight line."""
    result: list[Point] = []
    for point in points:
        if result and point == result[-1]:
            continue
        if len(result) > 1 and _is_between(result[-2], result[-1], point):
            result[-1] = point
        else:
            result.append(point)
    return result


def _is_between(a: Point, b: Point, c: Point) -> bool:
    return (a[0] == b[0] == c[0]) or (a[1] == b[1] == c[1])
