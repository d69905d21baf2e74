"""Values of a line that carries the state which something behind the next glyph of the line still reads."""

import itertools
from dataclasses import replace

from carrousel.drawing.diagram import JOIN, Diagram, Glyph
from carrousel.drawing.placement import spines


def bent(found: Diagram, *, for_all: bool = False) -> Diagram:
    """The diagram with a bend, a JOIN of one vector, where such a value leaves its line before the next glyph on it.

    A reader that needs the next glyph stands to the right of it; the line past that glyph is another value.

    Args:
        found: without bends.
        for_all: bend for every reader of a value on a line but the next glyph there, also for those that may stand before it.
    """
    for line in spines(found):
        for value, following in itertools.pairwise(line):
            others = [key for key in found.readers[value] if key != following]
            late = [key for key in others if for_all or following in _needed(found, key)]
            if late:
                found = _with_bend(found, value, following, late)
    return found


def _needed(found: Diagram, key: str) -> set[str]:
    """Everything that a glyph is made of."""
    needed: set[str] = set()
    waiting = [key]
    while waiting:
        fresh = [source for source in found[waiting.pop()].inputs if source not in needed]
        needed.update(fresh)
        waiting += fresh
    return needed


def _with_bend(found: Diagram, value: str, following: str, late: list[str]) -> Diagram:
    bend = Glyph(f"{value}↓", JOIN, "", "", (value,))
    glyphs: list[Glyph] = []
    for glyph in found.glyphs:
        if glyph.key == following:
            glyphs.append(bend)
        if glyph.key in late:
            glyph = replace(
                glyph,
                inputs=tuple(bend.key if key == value else key for key in glyph.inputs),
                by_matrix=tuple(bend.key if key == value else key for key in glyph.by_matrix),
            )
        glyphs.append(glyph)
    return replace(found, glyphs=tuple(glyphs))
