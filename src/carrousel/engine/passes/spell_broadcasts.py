"""Broadcasting written out, so that every elementwise node reads values of its own shape, or single numbers."""

from carrousel.engine.graph import Graph, Node, axis_size

ELEMENTWISE = frozenset(
    [
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "maximum",
        "minimum",
        "neg",
        "abs",
        "sign",
        "exp",
        "log",
        "sqrt",
        "sin",
        "cos",
        "tanh",
        "sigmoid",
        "relu",
        "softplus",
        "less",
        "less_equal",
        "equal",
        "not",
        "and",
        "or",
        "where",
        "stop_gradient",
    ]
)
"""Operations that work element by element."""


def spell_broadcasts(graph: Graph) -> Graph:
    """A `broadcast` node wherever an elementwise node stretches a computed argument.

    Needs: a legal graph. Gives: arguments of elementwise nodes have the node's own sizes, or are constants or parameters of
    one element.

        s_t: N S = mul i_t.1 g_t       ->  s_t.a: N S = broadcast i_t.1 shape=(N S)
        (i_t.1 is N 1)                     s_t: N S = mul s_t.a g_t
    """
    nodes: list[Node] = []
    for node in graph.nodes:
        args = list(node.args)
        if node.op in ELEMENTWISE:
            for k, arg in enumerate(args):
                if not _fits(graph, graph[arg], node):
                    args[k] = f"{node.name}.{'abc'[k]}"
                    nodes.append(Node(args[k], "broadcast", (arg,), node.shape, (("shape", node.shape),)))
        nodes.append(Node(node.name, node.op, tuple(args), node.shape, node.attributes))
    return graph.with_nodes(tuple(nodes))


def _fits(graph: Graph, argument: Node, node: Node) -> bool:
    own = [axis_size(axis, graph.sizes) for axis in node.shape if axis_size(axis, graph.sizes) != 1]
    given = [axis_size(axis, graph.sizes) for axis in argument.shape if axis_size(axis, graph.sizes) != 1]
    return own == given or (not given and argument.op in ("constant", "param"))
