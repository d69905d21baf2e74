"""A cell's picture, made from its traced step alone."""

from carrousel.analysis.complexity import complexity
from carrousel.drawing.bends import bent
from carrousel.drawing.diagram import diagram
from carrousel.drawing.geometry import Geometry
from carrousel.drawing.search import arrange
from carrousel.drawing.svg import svg
from carrousel.engine.graph import Graph


def draw(graph: Graph) -> str:
    """One time step as SVG: states enter left and leave right, x comes from below, the output leaves at the top.

    Args:
        graph: of one step, traced at small sizes: lines that carry the state are found element by element.

    >>> from carrousel.cells import find
    >>> from carrousel.engine import trace_cell
    >>> draw(trace_cell(find("lstm"), find("lstm").sizes(2, 2))).count('class="layer"')
    5
    """
    plain = diagram(graph, complexity(graph).carrousel)
    found = bent(plain)
    placed, routes = arrange(found)
    if routes.hidden:
        found = bent(plain, for_all=True)
        placed, routes = arrange(found)
    return svg(Geometry(found, placed, routes))
