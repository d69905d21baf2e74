"""Layout and SVG: the same every time, states left and right, x below, the carrousel on top.

What holds of every cell's picture is tested on the pictures themselves, in test_cell_pages.py.
"""

import pytest

from carrousel.analysis.cards import small_sizes
from carrousel.analysis.complexity import complexity
from carrousel.cells import find
from carrousel.drawing import draw, search
from carrousel.drawing.diagram import diagram
from carrousel.drawing.geometry import Geometry
from carrousel.engine import trace_cell
from carrousel.engine.graph import Graph

pytestmark = pytest.mark.tiny


@pytest.fixture(autouse=True)
def _few_trials(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(search, "MAX_TRIALS", 100)


def graph_of(name: str) -> Graph:
    cell = find(name)
    return trace_cell(cell, small_sizes(cell))


def laid_out(name: str) -> Geometry:
    graph = graph_of(name)
    found = diagram(graph, complexity(graph).carrousel)
    return Geometry(found, *search.arrange(found))


def test_states_enter_left_and_leave_right_and_x_comes_from_below() -> None:
    geometry = laid_out("lstm")
    ends = {(wire.source, way[-1]) for wire, way in geometry.ways() if wire.reader == ""}
    assert {source for source, (x, _) in ends if x == geometry.right} == {"h_t", "c_t"}
    assert {source for source, (_, y) in ends if y == geometry.top} == {"h_t"}
    xs = [geometry.centre(glyph.key)[0] for glyph in geometry.found.glyphs]
    ys = [geometry.centre(glyph.key)[1] for glyph in geometry.found.glyphs]
    assert geometry.centre("h_tm1")[0] == geometry.centre("c_tm1")[0] == min(xs)
    assert geometry.centre("x_t")[1] == max(ys)
    assert geometry.centre("c_tm1")[1] == geometry.centre("c_t")[1] == min(ys)


def test_the_same_cell_gives_the_same_text() -> None:
    assert draw(graph_of("elman")) == draw(graph_of("elman"))


def test_more_trials_never_give_a_worse_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of("gru_reset_after")
    found = diagram(graph, complexity(graph).carrousel)
    costs: list[float] = []
    for trials in (1, 50, 100):
        monkeypatch.setattr(search, "MAX_TRIALS", trials)
        costs.append(search.arrange(found)[1].cost)
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]


def test_dark_paper_has_colours_of_its_own() -> None:
    light, dark = draw(graph_of("elman")).split("@media (prefers-color-scheme:dark)")
    assert ".paper{fill:#ffffff}" in light
    assert ".paper{fill:#15191e}" in dark
