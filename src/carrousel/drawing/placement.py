"""Where each glyph stands: a grid of columns, in the order of computing, and rows.

Rows from the top: the lines that carry the state; rows for gates, sums and functions; the row of the layers; rows that bring
vectors to the layers from below; the floor, where x enters. Every value has a track, a piece of one row from where it is made to
its last reader; no two tracks overlap. A glyph stands on a column of its own, except that it may stand straight above or
below the only value that it waits for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import factorial

from carrousel.drawing.diagram import FUNCTION, INPUT, JOIN, LAYER, OPERATION, STATE, Diagram, Glyph

Choices = Mapping[tuple[str, str], int]
"""(what is chosen, for which glyph) -> which of its alternatives."""

ENTRANCE = -1
LAYERS, BUSES = 1_000, 1_001
"""Rows of the layers and below, until the number of rows above them is known."""

MAX_ORDERS = 6
MAX_STACK = 3


@dataclass
class Placement:
    """Columns and rows.

    Args:
        columns: glyph -> column; states stand at ENTRANCE.
        rows: glyph -> row.
        tracks: glyph -> row along which its value runs to the right.
        ends: glyph -> the last column that its value reaches.
        num_columns: columns used; what leaves to the right ends in that column, the output rises there.
        num_rows: rows used, the floor last.
        layer_row: the row of the layers.
    """

    columns: dict[str, int] = field(default_factory=dict[str, int])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    tracks: dict[str, int] = field(default_factory=dict[str, int])
    ends: dict[str, int] = field(default_factory=dict[str, int])
    num_columns: int = 0
    num_rows: int = 0
    layer_row: int = 0


def spines(found: Diagram) -> list[list[str]]:
    """The glyphs on each line that carries the state, the entering state first: the shortest way over gates and sums."""
    taken: set[str] = set()
    lines: list[list[str]] = []
    for start, end in found.carriers:
        line = _line(found, start, end, taken)
        if line:
            lines.append(line)
            taken |= set(line)
    return lines


def _line(found: Diagram, start: str, end: str, taken: set[str]) -> list[str]:
    waiting = [[start]]
    seen = {start}
    while waiting:
        line = waiting.pop(0)
        if line[-1] == end:
            return line
        for reader in found.readers[line[-1]]:
            if _carries(found[reader]) and reader not in seen and reader not in taken:
                seen.add(reader)
                waiting.append([*line, reader])
    return []


def _carries(glyph: Glyph) -> bool:
    """Whether a glyph passes its input on without squashing it."""
    is_linear = glyph.kind == LAYER and glyph.symbol in glyph.weights and len(glyph.inputs) == 1
    return glyph.kind == OPERATION or is_linear or glyph.symbol.startswith(("×", "+", "["))


def choices(found: Diagram) -> dict[tuple[str, str], int]:
    """Everything that a placement can choose, with the number of alternatives."""
    options: dict[tuple[str, str], int] = {("roots", ""): min(MAX_ORDERS, factorial(len(_roots(found))))}
    on_spine = {key for line in spines(found) for key in line}
    for glyph in found.glyphs:
        if glyph.kind in (STATE, INPUT):
            if glyph.kind == STATE and glyph.key not in on_spine:
                options["row", glyph.key] = 3
            continue
        if len(glyph.inputs) > 1 and glyph.kind != JOIN:
            options["order", glyph.key] = min(MAX_ORDERS, factorial(len(glyph.inputs)))
        if glyph.kind in (OPERATION, FUNCTION):
            options["stack", glyph.key] = 2
        if glyph.key not in on_spine and (glyph.kind != JOIN or len(glyph.inputs) == 1):
            options["row", glyph.key] = 5 if glyph.kind == LAYER else 4
    return options


def place(found: Diagram, chosen: Choices) -> Placement:
    """The placement that follows from the choices; what is not chosen is the first alternative."""
    return _Placer(found, chosen).run()


def _roots(found: Diagram) -> list[str]:
    carried = [end for _, end in found.carriers]
    others = [key for _, key in found.exits]
    return list(dict.fromkeys([*carried, *others, found.output[1]]))


def permuted(items: Sequence[str], number: int) -> list[str]:
    """One of the orders of the items, counted from 0, the given order."""
    for k, order in enumerate(permutations(items)):
        if k == number:
            return list(order)
    return list(items)


class _Placer:
    def __init__(self, found: Diagram, chosen: Choices) -> None:
        self.found, self.chosen = found, chosen
        self.lines = spines(found)
        self.result = Placement()
        self.used: dict[int, list[tuple[float, float, str]]] = {}
        self.sources = {found.output[1], *(key for _, key in found.exits)}

    def run(self) -> Placement:
        """All glyphs, column by column, then row by row."""
        order = self._order()
        self._columns(order)
        for row, line in enumerate(self.lines):
            for key in line:
                self.result.rows[key] = self.result.tracks[key] = row
            self._occupy(row, ENTRANCE, self.result.num_columns, line[0])
        self._enter()
        for key in order:
            if key not in self.result.rows:
                self._row(self.found[key])
        return self._numbered()

    def _order(self) -> list[str]:
        order: list[str] = []
        for root in permuted(_roots(self.found), self.chosen.get(("roots", ""), 0)):
            self._visit(root, order)
        return order

    def _visit(self, key: str, order: list[str]) -> None:
        glyph = self.found[key]
        if key in order or glyph.kind in (STATE, INPUT):
            return
        for source in permuted(glyph.inputs, self.chosen.get(("order", key), 0)):
            self._visit(source, order)
        for source in glyph.inputs:  # a bend leaves its line before the next glyph on it
            order += [
                reader for reader in self.found.readers[source] if self._is_bend(reader) and reader not in (key, *order)
            ]
        order.append(key)

    def _is_bend(self, key: str) -> bool:
        """Whether a glyph takes a value off its line for a later reader that is not a layer."""
        readers = self.found.readers[key]
        is_single = self.found[key].kind == JOIN and len(self.found[key].inputs) == 1
        return is_single and not all(self.found[reader].kind in (LAYER, JOIN) for reader in readers)

    def _columns(self, order: Sequence[str]) -> None:
        columns = self.result.columns
        last, height = ENTRANCE, 0
        on_line = {key: k for k, line in enumerate(self.lines) for key in line}
        for place_in_order, key in enumerate(order):
            before = order[place_in_order - 1] if place_in_order else ""
            can_stack = (
                self.found[key].kind in (OPERATION, FUNCTION)
                and before in self.found[key].inputs
                and self.found.readers[before] == [key]
                and before not in self.sources
                and self.found[before].kind != JOIN
                and not (key in on_line and on_line.get(before) == on_line[key])
            )
            if can_stack and height < MAX_STACK and self.chosen.get(("stack", key), 0) == 0:
                height += 1
            else:
                last, height = last + 1, 0
            columns[key] = last
        self.result.num_columns = last + 1
        standing: set[int] = set()
        for glyph in self.found.glyphs:
            if glyph.kind in (STATE, INPUT):
                reading = [columns[reader] for reader in self.found.readers[glyph.key]]
                free = [column for column in reading if column not in standing]
                columns[glyph.key] = (
                    ENTRANCE if glyph.kind == STATE else min(reading if free == reading else [ENTRANCE])
                )
                standing.add(columns[glyph.key])
        for glyph in self.found.glyphs:
            reach = [columns[reader] for reader in self.found.readers[glyph.key]]
            is_leaving = glyph.key in self.sources
            self.result.ends[glyph.key] = (
                self.result.num_columns if is_leaving else max(reach, default=columns[glyph.key])
            )

    def _enter(self) -> None:
        """Tracks of what enters from the left and is not carried on a line: states, and inputs for which x leaves no room."""
        for glyph in self.found.glyphs:
            is_entering = glyph.kind in (STATE, INPUT) and self.result.columns[glyph.key] == ENTRANCE
            if not is_entering or glyph.key in self.result.rows:
                continue
            readers = [self.found[reader] for reader in self.found.readers[glyph.key]]
            is_from_below = bool(readers) and all(reader.kind in (JOIN, LAYER) for reader in readers)
            first = (BUSES if is_from_below else len(self.lines)) + self.chosen.get(("row", glyph.key), 0)
            self._settle(glyph.key, self._free(first, ENTRANCE, self.result.ends[glyph.key]))

    def _row(self, glyph: Glyph) -> None:
        column, end = self.result.columns[glyph.key], self.result.ends[glyph.key]
        if glyph.kind == LAYER:
            self.result.rows[glyph.key] = LAYERS
            self._track_of_layer(glyph, column, end)
        elif glyph.kind == JOIN and not self._is_bend(glyph.key):
            inline = [
                key for key in glyph.inputs if self._reaches(key, column) and self.result.tracks.get(key, 0) >= BUSES
            ]
            row = self.result.tracks[inline[0]] if inline else self._free(BUSES, column, end)
            if not self._is_free(row, column, end, inline[0] if inline else ""):
                row = self._free(BUSES, column, end)
            self._settle(glyph.key, row)
        else:
            self._settle(glyph.key, self._row_of_operation(glyph, column, end))

    def _track_of_layer(self, glyph: Glyph, column: int, end: int) -> None:
        choice = self.chosen.get(("row", glyph.key), 0)
        if end == column:
            self.result.tracks[glyph.key] = LAYERS
            return
        readers = self.found.readers[glyph.key]
        others = [
            key
            for key, place in self.result.columns.items()
            if self.found[key].kind == LAYER and column < place <= end and not (place == end and key in readers)
        ]
        if choice == 0 and not others and self._is_free(LAYERS, column, end, ""):
            row = LAYERS
        else:
            row = self._free(len(self.lines) + max(0, choice - 1), column, end)
        self.result.tracks[glyph.key] = row
        self._occupy(row, column, end, glyph.key)

    def _row_of_operation(self, glyph: Glyph, column: int, end: int) -> int:
        choice = self.chosen.get(("row", glyph.key), 0)
        if choice == 0:
            for key in glyph.inputs:
                row = self.result.tracks.get(key, -1)
                if (
                    len(self.lines) <= row < LAYERS
                    and self._reaches(key, column)
                    and self._is_free(row, column, end, key)
                ):
                    return row
        return self._free(len(self.lines) + max(0, choice - 1), column, end)

    def _reaches(self, key: str, column: int) -> bool:
        """Whether a column is where the track of a value ends, and not where it starts."""
        return self.result.columns[key] < column == self.result.ends[key]

    def _settle(self, key: str, row: int) -> None:
        self.result.rows[key] = self.result.tracks[key] = row
        self._occupy(row, self.result.columns[key], self.result.ends[key], key)

    def _free(self, first: int, start: int, end: int) -> int:
        row = first
        while not self._is_free(row, start, end, ""):
            row += 1
        return row

    def _is_free(self, row: int, start: int, end: int, before: str) -> bool:
        """Whether a piece of a row is free, but for the value `before` that may end where it starts."""
        return not any(
            taken_start <= end and start <= taken_end and not (key == before and taken_end == start)
            for taken_start, taken_end, key in self.used.get(row, [])
        )

    def _occupy(self, row: int, start: int, end: int, key: str) -> None:
        self.used.setdefault(row, []).append((start, end, key))

    def _numbered(self) -> Placement:
        """Rows counted from 0 without gaps; x stands on the floor."""
        result = self.result
        for glyph in self.found.glyphs:
            if glyph.kind == INPUT and result.columns[glyph.key] != ENTRANCE:
                wide = result.ends[glyph.key] > result.columns[glyph.key]
                result.rows[glyph.key] = 2 * BUSES
                result.tracks[glyph.key] = 2 * BUSES - 1 if wide else 2 * BUSES
        rows = sorted({*result.rows.values(), *result.tracks.values(), LAYERS})
        number = {row: k for k, row in enumerate(rows)}
        result.rows = {key: number[row] for key, row in result.rows.items()}
        result.tracks = {key: number[row] for key, row in result.tracks.items()}
        result.num_rows, result.layer_row = len(rows), number[LAYERS]
        return result
