"""Broadcasting written out, so that every elementwise node reads values of its own shape, or single numbers."""

from carrousel.engine.graph import TRUTH, Graph, Node, axis_size

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

    A truth value, which no memory holds, is stretched as the number 1 or 0.
    """
    nodes: list[Node] = []
    for node in graph.nodes:
        args = list(node.args)
        if node.op in ELEMENTWISE:
            for k, arg in enumerate(args):
                if not _fits(graph, graph[arg], node):
                    args[k] = f"{node.name}.{'abc'[k]}"
                    nodes += _stretched(args[k], graph[arg], node)
        nodes.append(Node(node.name, node.op, tuple(args), node.shape, node.attributes))
    return graph.with_nodes(tuple(nodes))


def _stretched(name: str, argument: Node, node: Node) -> list[Node]:
    settings = (("shape", node.shape),)
    if argument.op not in TRUTH:
        return [Node(name, "broadcast", (argument.name,), node.shape, settings)]
    one, zero, half = (Node(f"{name}.{v}", "constant", (), (), (("value", v),)) for v in (1.0, 0.0, 0.5))
    number = Node(f"{name}.n", "where", (argument.name, one.name, zero.name), argument.shape)
    stretched = Node(f"{name}.s", "broadcast", (number.name,), node.shape, settings)
    return [one, zero, half, number, stretched, Node(name, "less", (half.name, stretched.name), node.shape)]


def _fits(graph: Graph, argument: Node, node: Node) -> bool:
    own = [axis_size(axis, graph.sizes) for axis in node.shape if axis_size(axis, graph.sizes) != 1]
    given = [axis_size(axis, graph.sizes) for axis in argument.shape if axis_size(axis, graph.sizes) != 1]
    return own == given or (not given and argument.op in ("constant", "param"))
