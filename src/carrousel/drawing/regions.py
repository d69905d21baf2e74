"""Parts of a step that have a name of their own: normalisations and softmax become one node."""

from carrousel.analysis.lines import is_named
from carrousel.engine.graph import Graph, Node, without_dead

SMALLEST = 3


_MEAN = frozenset(("sub", "sum", "max", "div", "mul", "reshape", "broadcast"))


def condensed(graph: Graph) -> Graph:
    """The graph with each normalisation (a square root of a sum) and each softmax (exp over its sum) as one node.

    Such a part has one value going in and one coming out, and nothing inside it has a name or a reader elsewhere. The
    logarithm of a sigmoid, which is traced as -softplus(-a), becomes one node, too.
    """
    for node in reversed(graph.nodes):
        found = _part(graph, node.name) if node.name in graph else None
        if found is not None:
            entry, op = found
            swapped = Node(node.name, op, (entry,), node.shape)
            nodes = tuple(swapped if other.name == node.name else other for other in graph.nodes)
            graph = graph.with_nodes(without_dead(nodes, graph.outputs))
    return graph


def _part(graph: Graph, name: str) -> tuple[str, str] | None:
    """The value that enters the part which a value ends, and the part's name."""
    if graph[name].op in ("div", "mul"):
        return _normalisation(graph, name)
    inside = [graph[name]]
    for op in ("neg", "softplus", "neg"):
        if inside[-1].op != op or (len(inside) > 1 and not _is_inner(graph, inside[-1].name, {n.name for n in inside})):
            return None
        if op == "neg" and len(inside) == 3:
            return inside[-1].args[0], "log_sigmoid"
        inside.append(graph[inside[-1].args[0]])
    return None


def _normalisation(graph: Graph, last: str) -> tuple[str, str] | None:
    inside = {last}
    place = {node.name: k for k, node in enumerate(graph.nodes)}
    moving = moving_values(graph)
    found: tuple[str, str] | None = None
    while True:
        entering = {arg for name in inside for arg in graph[name].args if arg in moving} - inside
        ops = {graph[name].op for name in inside}
        if len(entering) == 1 and len(inside) >= SMALLEST and "sum" in ops and ops & {"sqrt", "exp"}:
            found = next(iter(entering)), "norm" if "sqrt" in ops else "softmax"
        latest = max(entering, key=lambda name: place[name], default="")
        if not latest or graph[latest].op in ("x", "state") or not _is_inner(graph, latest, inside):
            return found
        if found is not None and graph[latest].op not in _MEAN:
            return found
        inside.add(latest)


def _is_inner(graph: Graph, name: str, inside: set[str]) -> bool:
    """Whether a value has no name and is read inside only."""
    readers = {other.name for other in graph.nodes if name in other.args}
    returned = any(result == name for _, result in graph.outputs)
    return not is_named(name) and not returned and readers <= inside


def moving_values(graph: Graph) -> set[str]:
    """The values that depend on the input or the state."""
    moving: set[str] = set()
    for node in graph.nodes:
        if node.op in ("x", "state") or moving & set(node.args):
            moving.add(node.name)
    return moving
