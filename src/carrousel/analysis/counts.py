"""The work of one time step of one sequence, from its graph: a multiplication and an addition are two operations."""

from dataclasses import dataclass
from math import prod

from carrousel.engine.graph import Graph, Node

_MOVES = frozenset(("reshape", "copy", "broadcast", "permute", "slice", "pad", "concatenate", "stop_gradient"))


@dataclass(frozen=True)
class Work:
    """Floating-point operations of a step, forward.

    Args:
        products: in products of a matrix and a vector: two for each number of the matrix that meets a vector.
        elementwise: one for each element of every other value that is computed; moves cost nothing.
    """

    products: int
    elementwise: int

    @property
    def total(self) -> int:
        """All of them; training costs about three times as many."""
        return self.products + self.elementwise


def work(graph: Graph) -> Work:
    """What a step costs; what depends on parameters alone is computed once for all steps and left out.

    >>> from carrousel.cells import find
    >>> from carrousel.engine import trace_cell
    >>> work(trace_cell(find("elman"), find("elman").sizes(input_size=3, hidden_size=2)))
    Work(products=20, elementwise=6)
    """
    moving = {node.name for node in graph.nodes if node.op in ("x", "state")}
    products = elementwise = 0
    for node in graph.computed:
        if not moving & set(node.args):
            continue
        moving.add(node.name)
        if node.op == "matvec":
            products += 2 * prod(graph.elements(node.name)) * _inner(graph, node)
        elif node.op in ("sum", "max"):
            elementwise += prod(graph.elements(node.args[0]))
        elif node.op not in _MOVES:
            elementwise += prod(graph.elements(node.name))
    return Work(products, elementwise)


def _inner(graph: Graph, node: Node) -> int:
    """Elements of the axis that a product sums over."""
    return graph.elements(node.args[1])[-1]
