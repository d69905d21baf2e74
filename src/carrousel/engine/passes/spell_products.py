"""Products in the forms that the loops have: a matrix of parameters times a vector, or one such product for each head."""

from carrousel.engine.graph import Attribute, Graph, Node, Shape, axis_size
from carrousel.engine.passes.join_matmuls import depends_on_state


def spell_products(graph: Graph) -> Graph:
    """Every `matvec` that the state reaches as matrix times vector, as one of them a head, or as products and sums of elements.

    A matrix of one row is of the last kind.

    Needs: a legal graph. Gives: the matrix of such a matvec is made from parameters alone, of shape (rows, columns) with a
    vector (columns), or (heads, rows, columns) with vectors (heads, columns); every other one is written as

        v: N P = matvec C_t q            v.c: N P Q = mul C_t v.q       (v.q is q as (N 1 Q))
        (C_t is computed)           ->   v.s: N P 1 = sum v.c axis=2
                                         v: N P = reshape v.s
    """
    in_loop = depends_on_state(graph)
    from_x = _reads(graph, "x")
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.op == "matvec" and node.name in in_loop:
            matrix, vector = (graph[arg] for arg in node.args)
            is_shared = matrix.name not in in_loop and matrix.name not in from_x
            nodes += _spelled(graph, node, matrix, vector, is_shared=is_shared)
        else:
            nodes.append(node)
    return graph.with_nodes(tuple(nodes))


def _reads(graph: Graph, op: str) -> set[str]:
    reached: set[str] = set()
    for node in graph.nodes:
        if node.op == op or any(arg in reached for arg in node.args):
            reached.add(node.name)
    return reached


def _spelled(graph: Graph, node: Node, matrix: Node, vector: Node, *, is_shared: bool) -> list[Node]:
    ranks = len(matrix.shape), len(vector.shape)
    is_one_row = axis_size(matrix.shape[-2], graph.sizes) == 1  # lanes of a register tile would stand idle
    if not is_shared or is_one_row:
        return _element_by_element(graph, node, matrix, vector)
    if ranks == (2, 1):
        return [node]
    if ranks[1] == 1:
        return _one_tall_matrix(node, matrix, vector)
    return _one_product_a_head(graph, node, matrix, vector)


def _one_tall_matrix(node: Node, matrix: Node, vector: Node) -> list[Node]:
    """All matrices that meet one vector, below each other."""
    rows = "*".join(matrix.shape[:-1])
    tall = _reshape(f"{node.name}.m", matrix, (rows, matrix.shape[-1]))
    product = Node(f"{node.name}.p", "matvec", (tall.name, vector.name), (rows,))
    return [tall, product, _reshape(node.name, product, node.shape)]


def _one_product_a_head(graph: Graph, node: Node, matrix: Node, vector: Node) -> list[Node]:
    heads: Shape = node.shape[:-1]
    joined = "*".join(heads)
    nodes: list[Node] = []
    if not _fills(graph, matrix.shape[:-2], heads):
        nodes.append(_broadcast(f"{node.name}.e", matrix, (*heads, *matrix.shape[-2:])))
        matrix = nodes[-1]
    if len(matrix.shape) != 3:
        nodes.append(_reshape(f"{node.name}.m", matrix, (joined, *matrix.shape[-2:])))
        matrix = nodes[-1]
    if not _fills(graph, vector.shape[:-1], heads):
        nodes.append(_broadcast(f"{node.name}.f", vector, (*heads, vector.shape[-1])))
        vector = nodes[-1]
    if len(vector.shape) != 2:
        nodes.append(_reshape(f"{node.name}.v", vector, (joined, vector.shape[-1])))
        vector = nodes[-1]
    if len(heads) == 1:
        return [*nodes, Node(node.name, "matvec", (matrix.name, vector.name), node.shape)]
    product = Node(f"{node.name}.p", "matvec", (matrix.name, vector.name), (joined, node.shape[-1]))
    return [*nodes, product, _reshape(node.name, product, node.shape)]


def _element_by_element(graph: Graph, node: Node, matrix: Node, vector: Node) -> list[Node]:
    beside = _reshape(f"{node.name}.q", vector, (*vector.shape[:-1], "1", vector.shape[-1]))
    shape = (*node.shape, matrix.shape[-1])
    product = Node(f"{node.name}.c", "mul", (matrix.name, beside.name), shape)
    settings: tuple[tuple[str, Attribute], ...] = (("axis", len(shape) - 1),)
    total = Node(f"{node.name}.s", "sum", (product.name,), (*node.shape, "1"), settings)
    return [beside, product, total, _reshape(node.name, total, node.shape)]


def _fills(graph: Graph, own: Shape, heads: Shape) -> bool:
    return [axis_size(a, graph.sizes) for a in own] == [axis_size(a, graph.sizes) for a in heads]


def _reshape(name: str, value: Node, shape: Shape) -> Node:
    return Node(name, "reshape", (value.name,), shape, (("shape", shape),))


def _broadcast(name: str, value: Node, shape: Shape) -> Node:
    return Node(name, "broadcast", (value.name,), shape, (("shape", shape),))
