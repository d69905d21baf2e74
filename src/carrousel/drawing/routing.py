"""The wires of a drawing on the grid: along a track, then straight up or down to the reader, or through a gap beside it."""

from dataclasses import dataclass, field

from carrousel.drawing.diagram import JOIN, LAYER, Diagram
from carrousel.drawing.placement import Placement

LEFT, RIGHT, TOP, BOTTOM = "left", "right", "top", "bottom"


@dataclass(frozen=True)
class Wire:
    """One way from a source to one reader.

    Args:
        source: the glyph whose value flows.
        reader: the glyph that reads it; empty for what leaves.
        start: side at which it leaves the source.
        side: side at which it reaches the reader.
        port: number of the port at that side.
        track: row of its horizontal piece.
        column: where it goes up or down.
        lane: number of the lane in the gap to the left of `column`; -1 for the middle of the column.
        exit: row in which it leaves to the right.
    """

    source: str
    reader: str
    start: str
    side: str
    port: int
    track: int
    column: int
    lane: int = -1
    exit: int = 0


@dataclass
class Routes:
    """All wires, and what they cost.

    Args:
        wires: in drawing order.
        lanes: column -> number of lanes in the gap to its left.
        cost: crossings, turns and lengths, weighed; lower is better.
        hidden: glyphs that stand on a track of another value; no such drawing is right.
    """

    wires: list[Wire] = field(default_factory=list[Wire])
    lanes: dict[int, int] = field(default_factory=dict[int, int])
    cost: float = 0.0
    hidden: int = 0


def route(found: Diagram, placed: Placement) -> Routes:
    """Wires for every reader and everything that leaves."""
    return _Router(found, placed).run()


@dataclass(frozen=True)
class _Vertical:
    x: float
    top: int
    bottom: int
    net: str


class _Router:
    def __init__(self, found: Diagram, placed: Placement) -> None:
        self.found, self.placed = found, placed
        self.routes = Routes()
        self.verticals: dict[int, list[_Vertical]] = {}
        self.gaps: dict[int, list[list[_Vertical]]] = {}
        self.ports: dict[tuple[str, str], list[str]] = {}
        self.at: dict[tuple[int, int], str] = {}
        for glyph in found.glyphs:
            self.at[placed.columns[glyph.key], placed.rows[glyph.key]] = glyph.key
        self.penalty = 0.0

    def run(self) -> Routes:
        """Risers of layers first, then readers from the nearest to the farthest, then what leaves."""
        placed = self.placed
        for glyph in self.found.glyphs:
            track, row = placed.tracks[glyph.key], placed.rows[glyph.key]
            if track != row:
                self._stand(placed.columns[glyph.key], track, row, glyph.key)
        pairs = [
            (abs(placed.columns[reader] - placed.columns[source]), number, source, reader)
            for number, (source, reader) in enumerate(
                (source, glyph.key) for glyph in self.found.glyphs for source in dict.fromkeys(glyph.inputs)
            )
        ]
        for _, _, source, reader in sorted(pairs):
            self._connect(source, reader)
        for label, source in self.found.exits:
            self._leave(label, source)
        self._rise(self.found.output[1])
        self.routes.lanes = {column: len(lanes) for column, lanes in self.gaps.items()}
        self.routes.cost = self._cost()
        return self.routes

    def _connect(self, source: str, reader: str) -> None:
        placed = self.placed
        column, row = placed.columns[reader], placed.rows[reader]
        track = placed.tracks[source]
        is_same_column = placed.columns[source] == column
        level = placed.rows[source] if is_same_column else track
        if not is_same_column and track == row and self._is_clear(track, placed.columns[source], column):
            self._wire(source, reader, RIGHT, LEFT, track, column)
            return
        side = TOP if level < row else BOTTOM
        is_layer_from_above = self.found[reader].kind == LAYER and side == TOP
        start = (TOP if placed.rows[source] > row else BOTTOM) if is_same_column else RIGHT
        if not is_layer_from_above and self._can_stand(column, level, row, source, reader, side):
            self._stand(column, level, row, source)
            self._wire(source, reader, start, side, level, column)
            return
        if is_same_column:
            self.penalty += 40  # a glyph stands in between
        lane = self._lane(column, track, row, source)
        self.penalty += 0 if is_layer_from_above else 6
        self._wire(source, reader, RIGHT, LEFT, track, column, lane)

    def _is_clear(self, row: int, first: int, last: int) -> bool:
        return not any((column, row) in self.at for column in range(first + 1, last))

    def _can_stand(self, column: int, level: int, row: int, source: str, reader: str, side: str) -> bool:
        """Whether a wire may go up or down the middle of a column from a level to a glyph."""
        top, bottom = sorted((level, row))
        between = [self.at.get((column, k)) for k in range(top + 1, bottom)]
        if any(key is not None for key in between) or self.at.get((column, level), source) != source:
            return False
        kind = self.found[reader].kind
        limit = 4 if kind in (LAYER, JOIN) else 1
        if len(self.ports.get((reader, side), [])) >= limit:
            return False
        if kind in (LAYER, JOIN) and side == BOTTOM:
            return True
        return not any(v.net != source and v.top < bottom and top < v.bottom for v in self.verticals.get(column, []))

    def _stand(self, column: int, level: int, row: int, net: str) -> None:
        top, bottom = sorted((level, row))
        self.verticals.setdefault(column, []).append(_Vertical(float(column), top, bottom, net))

    def _lane(self, column: int, track: int, row: int, net: str) -> int:
        """The first lane of a gap in which no other wire is in the way."""
        top, bottom = sorted((track, row))
        lanes = self.gaps.setdefault(column, [])
        for number in range(len(lanes) + 1):
            if number == len(lanes):
                lanes.append([])
            if not any(v.net != net and v.top <= bottom and top <= v.bottom for v in lanes[number]):
                lanes[number].append(_Vertical(column - 0.3 - 0.05 * number, top, bottom, net))
                return number
        raise AssertionError("a fresh lane is free")

    def _wire(self, source: str, reader: str, start: str, side: str, track: int, column: int, lane: int = -1) -> None:
        ports = self.ports.setdefault((reader, side), [])
        ports.append(source)
        self.routes.wires.append(Wire(source, reader, start, side, len(ports) - 1, track, column, lane))

    def _leave(self, label: str, source: str) -> None:
        """To the right along the track; the output, which rises there, goes back to the row in which its state entered."""
        placed = self.placed
        track = exit_row = placed.tracks[source]
        entered = label.removesuffix("_t") + "_tm1"
        if source == self.found.output[1] and entered in placed.rows and entered not in dict(self.found.carriers):
            row = placed.rows[entered]
            others = [
                placed.tracks[key] for key, end in placed.ends.items() if end == placed.num_columns and key != source
            ]
            if not any(min(track, row) <= other <= max(track, row) for other in others):
                exit_row = row
                self._stand(placed.num_columns, track, row, source)
        ports = self.ports.setdefault(("", RIGHT), [])
        ports.append(source)
        self.routes.wires.append(
            Wire(source, "", RIGHT, RIGHT, len(ports) - 1, track, placed.num_columns, exit=exit_row)
        )

    def _rise(self, source: str) -> None:
        column = self.placed.num_columns
        self._stand(column, -1, self.placed.tracks[source], source)
        self._wire(source, "", RIGHT, TOP, self.placed.tracks[source], column)

    def _cost(self) -> float:
        placed = self.placed
        verticals = [v for group in self.verticals.values() for v in group]
        verticals += [v for lanes in self.gaps.values() for lane in lanes for v in lane]
        tracks = [
            (placed.tracks[key], float(placed.columns[key]), float(end), key)
            for key, end in placed.ends.items()
            if end > placed.columns[key]
        ]
        crossings = sum(
            v.net != net and v.top < row < v.bottom and start < v.x < end
            for v in verticals
            for row, start, end, net in tracks
        )
        self.routes.hidden = sum(
            key != net and start < column < end and row == track
            for (column, row), key in self.at.items()
            for track, start, end, net in tracks
        )
        length = sum(end - start for _, start, end, _ in tracks) + sum(0.6 * (v.bottom - v.top) for v in verticals)
        turns = sum(wire.side in (TOP, BOTTOM) for wire in self.routes.wires)
        return (
            10.0 * crossings
            + 300.0 * self.routes.hidden
            + self.penalty
            + 1.0 * length
            + 1.0 * turns
            + 3.0 * placed.num_columns
            + 4.0 * placed.num_rows
        )
