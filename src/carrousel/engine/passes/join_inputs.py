"""One input a step: what the step reads besides x_t becomes further columns of x."""

from carrousel.engine.graph import Graph, Node, Shape, axis_size

JOINED = "inputs"
"""How the wide input is named."""


def join_inputs(graph: Graph) -> tuple[Graph, tuple[Node, ...]]:
    """The step with one leaf of x, and the leaves that became columns behind x_t, in order.

    Needs: any legal graph. Gives: a graph with a single leaf `x`; a graph that has only one is left as it is.

        x_t: D = x                     inputs: 9 = x
        u_t: K H = x           ->      x_t: D = slice inputs axis=0 start=0 stop=3
                                       u_t.0: 6 = slice inputs axis=0 start=3 stop=9
                                       u_t: K H = reshape u_t.0
    """
    leaves = list(graph.leaves("x"))
    if len(leaves) == 1:
        return graph, ()
    joined: list[Node] = []
    start = 0
    for leaf in leaves:
        stop = start + axis_size("*".join(("1", *leaf.shape)), graph.sizes)
        joined += _columns(leaf, start, stop)
        start = stop
    others = [node for node in graph.nodes if node.op != "x"]
    return graph.with_nodes((Node(JOINED, "x", (), (str(start),)), *joined, *others)), tuple(leaves[1:])


def _columns(leaf: Node, start: int, stop: int) -> list[Node]:
    settings = (("axis", 0), ("start", start), ("stop", stop))
    if len(leaf.shape) == 1:
        return [Node(leaf.name, "slice", (JOINED,), leaf.shape, settings)]
    shape: Shape = leaf.shape
    flat = Node(f"{leaf.name}.0", "slice", (JOINED,), (str(stop - start),), settings)
    return [flat, Node(leaf.name, "reshape", (flat.name,), shape, (("shape", shape),))]


def is_whole_input(graph: Graph, node: Node) -> bool:
    """Whether the value is all of x_t: the leaf, or the first columns of a joined one."""
    return node.op == "x" or (node.args == (JOINED,) and node.settings.get("start") == 0)
