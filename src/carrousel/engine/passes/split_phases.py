"""A step cut into phases: inside one, every element can be finished on its own; between two, whole vectors must be there."""

from dataclasses import dataclass

from carrousel.engine.graph import LEAVES, VIEWS, Graph, Node, axis_size
from carrousel.engine.passes.spell_broadcasts import ELEMENTWISE


@dataclass(frozen=True)
class Phase:
    """Part of a step.

    Args:
        nodes: products and elementwise nodes on vectors of one size, or a single node that moves elements about.
        axes: the size they share, as axes to multiply.
        is_tiled: whether it is the first kind.
    """

    nodes: tuple[Node, ...]
    axes: tuple[str, ...]
    is_tiled: bool

    def __str__(self) -> str:
        return f"{' '.join(self.axes) or '1'}: {', '.join(node.name for node in self.nodes)}"


def split_phases(graph: Graph) -> tuple[Phase, ...]:
    """The fewest phases, in order, each node in the earliest that fits.

    Needs: broadcasts spelled out, products joined. Gives: a node's arguments are elements of its own phase at the same place,
    or whole vectors of earlier ones; the vectors of products are always of earlier phases.
    """
    phases: list[list[Node]] = []
    sizes: list[int | None] = []
    place: dict[str, int] = {}  # value -> number of its phase; -1 before the step
    for node in graph.nodes:
        if node.op in LEAVES or node.op == "constant":
            place[node.name] = -1
            continue
        if node.op in VIEWS:
            place[node.name] = place[node.args[0]]
            continue
        size = _elements(graph, node)
        is_tiled = node.op in ELEMENTWISE or node.op == "products"
        earliest = max((_after(place[arg], node, size, sizes) for arg in node.args), default=0)
        fitting = (k for k in range(max(earliest, 0), len(phases)) if is_tiled and sizes[k] == size)
        chosen = next(fitting, len(phases))
        if chosen == len(phases):
            phases.append([])
            sizes.append(size if is_tiled else None)
        phases[chosen].append(node)
        place[node.name] = chosen
    return tuple(
        Phase(tuple(nodes), nodes[0].shape, size is not None) for nodes, size in zip(phases, sizes, strict=True)
    )


def _after(place: int, node: Node, size: int, sizes: list[int | None]) -> int:
    """The first phase in which an argument made in phase `place` can be read."""
    if place < 0:
        return 0
    is_same_element = node.op in ELEMENTWISE and sizes[place] == size
    return place if is_same_element else place + 1


def _elements(graph: Graph, node: Node) -> int:
    total = 1
    for axis in node.shape:
        total *= axis_size(axis, graph.sizes)
    return total
