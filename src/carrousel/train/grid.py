"""A table of numbers from 0 to 1 as SVG: a square a number, darker for more, with words along both axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from carrousel.train.heat_map import FROM_ZERO, mixed

CELL = 20
LETTER = 6.6  # width of a letter, which is set in one width
FONT = 'font-family="ui-monospace, Consolas, \'Liberation Mono\', monospace" font-size="11" fill="#333"'
MOST = 60  # rows or columns; further ones are left out, and a line says so
LONGEST = 16  # letters of a word
SEEN = 0.005  # below it a square is white as the page


@dataclass(frozen=True)
class Grid:
    """Numbers from 0 to 1, such as the weights of attention.

    Attributes:
        title: what they are of.
        across: what the columns are, such as "source".
        down: what the rows are, such as "written".
        columns: a word for each.
        rows: a word for each.
        values: row by row.
    """

    title: str
    across: str
    down: str
    columns: Sequence[str]
    rows: Sequence[str]
    values: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.rows) or any(len(row) != len(self.columns) for row in self.values):
            raise ValueError(f"{self.title} has other numbers than {len(self.rows)} rows of {len(self.columns)}")

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Grid":
        """From JSON.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        values = [[float(value) for value in row] for row in found["values"]]
        columns, rows = ([str(word) for word in found[name]] for name in ("columns", "rows"))
        return cls(str(found["title"]), str(found["across"]), str(found["down"]), columns, rows, values)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the picture."""
        left, top = self._margins()
        below = CELL if self._left_out() else 6
        wide = left + CELL * min(len(self.columns), MOST) + (0 if self._is_upright() else LONGEST * LETTER / 2)
        return max(wide, LETTER * (len(self._left_out()) + 2), 120), top + CELL * min(len(self.rows), MOST) + below

    def svg(self) -> str:
        """The picture as an SVG element, which needs no style sheet; the numbers appear under the pointer."""
        (width, height), (left, top) = self.size, self._margins()
        bottom, right = top + CELL * len(self.rows[:MOST]), left + CELL * len(self.columns[:MOST])
        parts = [_text(left, 11, f"{self.across} →"), _text(left - 6, top - 5, f"{self.down} ↓", "end")]
        for k, word in enumerate(self.columns[:MOST]):
            x = left + CELL * (k + 0.5)
            if self._is_upright():
                parts.append(_text(x, top - 5, _cut(word), "middle"))
            else:
                parts.append(_text(x, top - 5, _cut(word), "start", f' transform="rotate(-50 {x:g} {top - 5:g})"'))
        for k, word in enumerate(self.rows[:MOST]):
            parts.append(_text(left - 6, top + CELL * (k + 0.7), _cut(word), "end"))
        parts.append(f'<g class="cells">{"".join(self._squares(left, top))}</g>')
        lines = "".join(f"M{left:g} {top + CELL * k:g}H{right:g}" for k in range(len(self.rows[:MOST]) + 1))
        lines += "".join(f"M{left + CELL * k:g} {top:g}V{bottom:g}" for k in range(len(self.columns[:MOST]) + 1))
        parts.append(f'<path d="{lines}" stroke="#999" stroke-opacity=".35" fill="none"/>')
        if note := self._left_out():
            parts.append(_text(2, height - 4, note))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="grid-map" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" role="img" aria-label="{escape(self.title)}">{"".join(parts)}</svg>'
        )

    def _squares(self, left: float, top: float) -> list[str]:
        found: list[str] = []
        for r, (word, values) in enumerate(zip(self.rows[:MOST], self.values, strict=False)):
            for c, (other, value) in enumerate(zip(self.columns[:MOST], values, strict=False)):
                if not value >= SEEN:
                    continue
                red, green, blue = mixed(FROM_ZERO, min(value, 1.0))
                told = escape(f"{value:.2f}: {self.down} {word}, {self.across} {other}")
                found.append(
                    f'<rect x="{left + CELL * c:g}" y="{top + CELL * r:g}" width="{CELL}" height="{CELL}" '
                    f'fill="#{red:02x}{green:02x}{blue:02x}"><title>{told}</title></rect>'
                )
        return found

    def _margins(self) -> tuple[float, float]:
        """Room to the left of the squares, and above them."""
        longest = max((len(_cut(word)) for word in self.rows[:MOST]), default=1)
        left = 10 + LETTER * max(longest, len(self.down) + 2)
        above = max((len(_cut(word)) for word in self.columns[:MOST]), default=1)
        return left, 34 if self._is_upright() else 24 + LETTER * above * 0.8

    def _is_upright(self) -> bool:
        return all(len(word) <= 2 for word in self.columns)

    def _left_out(self) -> str:
        rows, columns = len(self.rows), len(self.columns)
        if max(rows, columns) <= MOST:
            return ""
        return f"the first {min(rows, MOST)} of {rows} rows, {min(columns, MOST)} of {columns} columns"


def sheet(grids: Sequence[Grid], note: str = "", width: float = 1_000.0) -> str:
    """Several of them as one SVG, side by side as far as they fit into a width, each below its title; a note stands below all."""
    parts: list[str] = []
    x, y, tallest, widest = 0.0, 0.0, 0.0, 0.0
    for grid in grids:
        own, height = grid.size
        own = max(own, LETTER * len(grid.title))
        if x and x + own > width:
            x, y, tallest = 0.0, y + tallest, 0.0
        inner = grid.svg().replace("<svg ", f'<svg x="{x:g}" y="{y + 20:g}" ', 1)
        parts += [_text(x + 2, y + 13, grid.title, more=' font-weight="bold"'), inner]
        widest, tallest, x = max(widest, x + own), max(tallest, height + 36), x + own + 24
    if note:
        parts.append(_text(2, y + tallest + 10, note))
        widest, tallest = max(widest, LETTER * len(note)), tallest + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -4 {widest + 16:g} {y + tallest + 8:g}" width="{widest + 16:g}" '
        f'height="{y + tallest + 8:g}"><rect x="-8" y="-4" width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" {FONT}{more}>{escape(text)}</text>'


def _cut(word: str) -> str:
    """A word as it stands beside the squares; white space is drawn."""
    shown = {"\n": "↵", " ": "␣", "\t": "⇥"}.get(word, word)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
