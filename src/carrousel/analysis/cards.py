"""All that is known of a cell, in one value: what its file says, and what its graph tells."""

import inspect
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from carrousel.analysis.complexity import Complexity, complexity
from carrousel.analysis.counts import Work, work
from carrousel.analysis.scans import Scan, scans
from carrousel.analysis.strong_typing import Mixing, mixing
from carrousel.cell import Cell, Sizes
from carrousel.engine import compile_cell, trace_cell
from carrousel.engine.graph import Graph
from carrousel.errors import ConfigError

SIZE = 128
"""Inputs and hidden units of the counts that a card gives."""

_SMALL_SIZES = (4, 6, 8, 12, 16, 32, 64, SIZE)


@dataclass(frozen=True)
class Parameter:
    """One row of the table of parameters.

    Args:
        axes: in axis letters, such as "H D".
        shape: in numbers, at the card's sizes.
        initialiser: how it starts, as a formula.
        is_fixed: a constant of the cell, never trained.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    initialiser: str
    is_fixed: bool


@dataclass(frozen=True, eq=False)
class Card:
    """A cell, described; everything but the words of its file is derived from its step.

    >>> from carrousel.cells import find
    >>> card = Card(find("lstm"))
    >>> card.equations["c_t"], card.num_parameters, card.num_phases, card.scan
    ('f_t ⊙ c_{t-1} + i_t ⊙ g_t', 131584, 1, 'no')
    """

    cell: Cell

    @property
    def title(self) -> str:
        """The first sentence of the cell's own text."""
        return self._text.partition("\n")[0]

    @cached_property
    def equation_lines(self) -> tuple[str, ...]:
        """The equations as printed in the cell's file, with what they say behind them."""
        lines = [line.rstrip() for line in self._text.splitlines()[1:]]
        first = [k for k, line in enumerate(lines) if _EQUATION.match(line)]
        if not first:
            return ()
        block = lines[first[0] :]
        end = block.index("") if "" in block else len(block)
        return tuple(inspect.cleandoc("\n".join(["", *block[:end]])).splitlines())

    @cached_property
    def equations(self) -> Mapping[str, str]:
        """Left side -> right side, without the words behind."""
        found = [_EQUATION.match(line) for line in self.equation_lines]
        return {match[1]: re.split(r"\s{3,}", match[2].strip())[0] for match in found if match}

    @cached_property
    def sizes(self) -> Sizes:
        """Axis letter -> elements, at 128 inputs and units."""
        return self.cell.sizes(SIZE, SIZE)

    @cached_property
    def graph(self) -> Graph:
        """The traced step at the card's sizes."""
        return trace_cell(self.cell, self.sizes)

    @cached_property
    def small_graph(self) -> Graph:
        """The traced step at small sizes, for what is found element by element."""
        return trace_cell(self.cell, small_sizes(self.cell))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The table of parameters."""
        shapes, axes, init = self.cell.param_shapes(self.sizes), self.cell.param_axes, self.cell.init
        return tuple(Parameter(n, " ".join(axes[n]), shapes[n], init[n].formula, init[n].is_fixed) for n in shapes)

    @property
    def num_parameters(self) -> int:
        """Trained numbers."""
        return self.cell.num_parameters(self.sizes)

    @property
    def num_phases(self) -> int:
        """Products inside a step that wait for each other."""
        return compile_cell(self.cell, self.sizes).plan.num_product_phases

    @cached_property
    def work(self) -> Work:
        """Floating-point operations of a step."""
        return work(self.graph)

    @cached_property
    def complexity(self) -> Complexity:
        """How deep the cell is in time and from input to output."""
        return complexity(self.small_graph)

    @cached_property
    def mixing(self) -> Mixing | None:
        """Where the cell mixes types; None when it is strongly typed."""
        return mixing(self.small_graph)

    @cached_property
    def scans(self) -> tuple[Scan, ...]:
        """How each group of state fields can be scanned."""
        return scans(self.small_graph)

    @property
    def scan(self) -> str:
        """The kinds of scan that run the whole cell, or "no"."""
        kinds = dict.fromkeys(scan.kind for scan in self.scans)
        return ", ".join(kinds) if all(kinds) else "no"

    def equation(self, name: str) -> str:
        """The printed equation of a named value, or its name where none is printed."""
        return f"{name} = {self.equations[name]}" if name in self.equations else name

    def summary(self) -> dict[str, Any]:
        """One row of the catalogue, as plain values."""
        return {
            "name": self.cell.name,
            "aliases": list(self.cell.aliases),
            "title": self.cell.source.title,
            "year": self.cell.source.year,
            "state": list(self.cell.state_axes),
            "parameters": self.num_parameters,
            "phases": self.num_phases,
            "scan": self.scan,
            "scannable": self.scan != "no",
        }

    @cached_property
    def _text(self) -> str:
        """The step's own docstring where it carries equations, the file's otherwise."""
        step = inspect.unwrap(self.cell.step)
        own = inspect.cleandoc(step.__doc__ or "")
        if re.search(_EQUATION.pattern, own, re.MULTILINE):
            return own
        return inspect.cleandoc(sys.modules[step.__module__].__doc__ or "") or own


def small_sizes(cell: Cell) -> Sizes:
    """The smallest sizes of a short list that the cell accepts, at least 4 inputs and units."""
    for size in _SMALL_SIZES[:-1]:
        try:
            return cell.sizes(size, size)
        except ConfigError:
            continue
    return cell.sizes(SIZE, SIZE)


_EQUATION = re.compile(r"^ *([A-Za-zα-ωΑ-Ω_]\w*) = (.*)$")
