"""What must lie in memory element after element does: operands of products, and what a loop puts out."""

from carrousel.engine.graph import Graph, Node
from carrousel.engine.passes.spell_broadcasts import ELEMENTWISE
from carrousel.engine.passes.split_phases import atoms, is_flat, strides
from carrousel.engine.views import is_whole, view


def spell_copies(graph: Graph) -> Graph:
    """A `copy` node wherever a product or an output reads elements that are scattered in another value.

    Needs: broadcasts spelled out. Gives: operands of products and outputs whose elements lie one after another; arguments of
    elementwise nodes that strides along the node's own axes reach.

        v1: P = slice h_tm1 axis=0 start=0 stop=4         v1: P = slice h_tm1 axis=0 start=0 stop=4
        v2: H = products R v1 transposed=(0)         ->   v1.copy: P = copy v1
                                                          v2: H = products R v1.copy transposed=(0)
    """
    nodes: list[Node] = []
    copies: dict[str, str] = {}

    def copied(name: str) -> str:
        if name not in copies:
            copies[name] = f"{name}.copy"
            nodes.append(Node(copies[name], "copy", (name,), graph[name].shape))
        return copies[name]

    def argument(node: Node, number: int, name: str) -> str:
        if node.op == "products":
            is_ready = number % 2 == 0 or is_whole(graph, name)
        else:
            is_ready = node.op not in ELEMENTWISE or _is_reached(graph, name, node)
        return name if is_ready else copied(name)

    for node in graph.nodes:
        args = tuple(argument(node, k, arg) for k, arg in enumerate(node.args))
        nodes.append(Node(node.name, node.op, args, node.shape, node.attributes))
    outputs = tuple((role, name if is_whole(graph, name) else copied(name)) for role, name in graph.outputs)
    return Graph(graph.name, tuple(nodes), outputs, graph.sizes)


def _is_reached(graph: Graph, name: str, node: Node) -> bool:
    return is_flat(graph, name) or strides(graph, view(graph, name), atoms(graph, node.shape)) is not None
