"""What a legal graph is, checked where a graph enters the pipeline and where it leaves it."""

from carrousel.engine.graph import LEAVES, Graph, Node, shape_sizes
from carrousel.engine.ops import OPS
from carrousel.errors import TraceError


def check(graph: Graph) -> Graph:
    """The graph itself, if it is legal: names unique, arguments before use, operations and shapes by the table.

    Raises:
        TraceError: the first node that breaks a rule, as text, and the rule.
    """
    seen: set[str] = set()
    for node in graph.nodes:
        problem = _problem(graph, node, seen)
        if problem:
            raise TraceError(f"{graph.name}: illegal graph at `{node}`: {problem}.")
        seen.add(node.name)
    for role, name in graph.outputs:
        if name not in seen:
            raise TraceError(f"{graph.name}: illegal graph: {role} is {name}, which no node makes.")
    return graph


def _problem(graph: Graph, node: Node, seen: set[str]) -> str:
    if node.name in seen:
        return "the name is taken"
    missing = [arg for arg in node.args if arg not in seen]
    if missing:
        return f"reads {', '.join(missing)} before it is made"
    if node.op in LEAVES or node.op == "constant":
        return "" if not node.args else "an input reads nothing"
    if node.op not in OPS:
        return f"no operation {node.op!r} in the table"
    op = OPS[node.op]
    if op.arity not in (-1, len(node.args)):
        return f"{op.name} takes {op.arity} arguments"
    try:
        shape = op.shape([graph[arg].shape for arg in node.args], node.settings, graph.sizes)
        agrees = shape_sizes(shape, graph.sizes) == shape_sizes(node.shape, graph.sizes)
    except ValueError as error:
        return str(error)
    return "" if agrees else f"its arguments give shape ({' '.join(shape)})"
