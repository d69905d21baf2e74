"""Sums regrouped by what they read, so that one product serves where the paper writes several."""

from collections import Counter

from carrousel.engine.graph import Graph, Node
from carrousel.engine.ops import broadcast_shape


def join_matmuls(graph: Graph) -> Graph:
    """Each sum as (what needs no state) + (one sum of products on the state) + (the rest).

    Needs: a simplified graph. Gives: every matvec on a value that depends on the state is an argument pair of a `products`
    node; terms of a sum that need no state are added first, so that `hoist_inputs` can take them out of the loop.

        v1: H = matvec W x_t             v1: H = matvec W x_t
        v2: H = matvec R h_tm1           v4.x: H = add v1 b
        v3: H = add v1 v2            ->  v4.r: H = products R h_tm1 transposed=(0)
        v4: H = add v3 b                 v4: H = add v4.x v4.r
    """
    uses = Counter(arg for node in graph.nodes for arg in node.args) + Counter(name for _, name in graph.outputs)
    in_loop = depends_on_state(graph)
    inner = {
        arg
        for node in graph.nodes
        if node.op == "add"
        for arg in node.args
        if uses[arg] == 1 and graph[arg].op in ("add", "matvec") and graph[arg].shape == node.shape and arg in in_loop
    }
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name in inner:
            continue
        if node.op == "add" and node.name in in_loop:
            nodes += _regrouped(graph, node, inner, in_loop)
        elif node.op == "matvec" and node.name in in_loop:
            nodes.append(_products(node.name, [node]))
        else:
            nodes.append(node)
    return graph.with_nodes(tuple(nodes))


def depends_on_state(graph: Graph) -> set[str]:
    """Names of the values that the state reaches."""
    reached: set[str] = set()
    for node in graph.nodes:
        if node.op in ("state", "saved", "grad") or any(arg in reached for arg in node.args):
            reached.add(node.name)
    return reached


def _terms(graph: Graph, node: Node, inner: set[str]) -> list[str]:
    return [
        t
        for arg in node.args
        for t in (_terms(graph, graph[arg], inner) if _is_inner_sum(graph, arg, inner) else [arg])
    ]


def _is_inner_sum(graph: Graph, name: str, inner: set[str]) -> bool:
    return name in inner and graph[name].op == "add"


def _regrouped(graph: Graph, node: Node, inner: set[str], in_loop: set[str]) -> list[Node]:
    terms = _terms(graph, node, inner)
    outside = [t for t in terms if t not in in_loop]
    products = [graph[t] for t in terms if t in inner and graph[t].op == "matvec"]
    rest = [t for t in terms if t in in_loop and graph[t] not in products]
    nodes: list[Node] = []
    parts: list[Node] = []
    if outside:
        nodes += _sum(graph, f"{node.name}.x", [graph[name] for name in outside])
        parts.append(nodes[-1] if nodes else graph[outside[0]])
    if products:
        parts.append(_products(f"{node.name}.r", products))
        nodes.append(parts[-1])
    parts += [graph[name] for name in rest]
    if len(parts) == 1:  # the sum has become one product: it takes the name
        return [*nodes, Node(node.name, "reshape", (parts[0].name,), node.shape, (("shape", node.shape),))]
    return nodes + _sum(graph, node.name, parts)


def _sum(graph: Graph, name: str, terms: list[Node]) -> list[Node]:
    """A chain of additions whose last node has the name; nothing for a single term."""
    nodes: list[Node] = []
    total = terms[0]
    for k, term in enumerate(terms[1:], start=2):
        shape = broadcast_shape([total.shape, term.shape], graph.sizes)
        total = Node(name if k == len(terms) else f"{name}.s{k - 1}", "add", (total.name, term.name), shape)
        nodes.append(total)
    return nodes


def _products(name: str, matvecs: list[Node]) -> Node:
    args = tuple(arg for node in matvecs for arg in node.args)
    return Node(name, "products", args, matvecs[0].shape, (("transposed", (0,) * len(matvecs)),))
