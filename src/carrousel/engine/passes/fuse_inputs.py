"""Products on x_t made in the loop's own tiles: with several rows a thread that costs no passage through memory."""

from collections import Counter
from collections.abc import Collection, Mapping

from carrousel.engine.derivatives import PREFIX
from carrousel.engine.graph import Graph, Node
from carrousel.engine.views import is_whole

X = "x/t"
"""The columns of the input that the products read; a stroke is in no variable of a step."""

D_X = f"{PREFIX}{X}"
"""The derivative of these columns."""


def fuse_inputs(loop: Graph, weights: Mapping[str, Node], kept: Collection[str]) -> Graph:
    """The loop with hoisted products taken back in, joined to the products that they are added to.

    Args:
        loop: with hoisted inputs as leaves.
        weights: input leaf -> its matrix, a leaf made from parameters alone.
        kept: values that must keep their names and meaning: the tape.

    Needs: a loop (`hoist_inputs`). Gives: a loop with x_t as an input leaf.

        v1: H = input                          x_t: D = input
        v4.x: H = add v1 b                     v4.p: H = products W x/t R h_tm1
        v4.r: H = products R h_tm1       ->    v4: H = add v4.p b
        v4: H = add v4.x v4.r
    """
    columns = next(iter(weights.values())).shape[1]
    leaves = {X: Node(X, "input", (), (columns,))} | {matrix.name: matrix for matrix in weights.values()}
    nodes = [node for node in leaves.values() if node.name not in loop]
    for node in loop.nodes:
        if node.name in weights:
            args = (weights[node.name].name, X)
            nodes.append(Node(node.name, "products", args, node.shape, (("transposed", (0,)),)))
        else:
            nodes.append(node)
    return _joined(loop.with_nodes(tuple(nodes)), kept)


def derive_input(backward: Graph, weights: Mapping[str, Node]) -> Graph | None:
    """The backward step that gives the derivative of x_t, too; None where it needs a derivative that no memory holds whole."""
    given = {role.removeprefix("input."): name for role, name in backward.outputs if role.startswith("input.")}
    made = [(matrix, given[name]) for name, matrix in weights.items()]
    if not all(is_whole(backward, name) for _, name in made):
        return None
    columns = next(iter(weights.values())).shape[1]
    nodes: list[Node] = [*{m.name: m for m in weights.values() if m.name not in backward}.values(), *backward.nodes]
    args: list[str] = []
    for k, (matrix, name) in enumerate(made):
        shape = matrix.shape[:1]
        if backward[name].shape != shape:
            nodes.append(Node(f"{D_X}.{k}", "reshape", (name,), shape, (("shape", shape),)))
        args += [matrix.name, nodes[-1].name if backward[name].shape != shape else name]
    nodes.append(Node(D_X, "products", tuple(args), (columns,), (("transposed", (1,) * len(made)),)))
    return Graph(backward.name, tuple(nodes), (*backward.outputs, ("x", D_X)), backward.sizes)


def _joined(graph: Graph, kept: Collection[str]) -> Graph:
    """The products of each sum as one."""
    uses = Counter(arg for node in graph.nodes for arg in node.args) + Counter(name for _, name in graph.outputs)
    inner = {
        arg
        for node in graph.nodes
        if node.op == "add"
        for arg in node.args
        if uses[arg] == 1
        and arg not in kept
        and graph[arg].shape == node.shape
        and graph[arg].op in ("add", "products")
    }
    made: dict[str, list[Node]] = {}
    gone: set[str] = set()
    for node in graph.nodes:
        if node.op == "add" and node.name not in inner:
            sums, terms = _terms(graph, node, inner)
            products = [term for term in terms if term.name in inner]
            if len(products) > 1:
                gone |= {*sums, *(term.name for term in products)}
                made[node.name] = _sum(node, products, [term for term in terms if term.name not in inner])
    return graph.with_nodes(
        tuple(n for node in graph.nodes for n in made.get(node.name, [node] * (node.name not in gone)))
    )


def _terms(graph: Graph, node: Node, inner: Collection[str]) -> tuple[set[str], list[Node]]:
    """The names of the sums inside a sum, and what they add up."""
    sums: set[str] = set()
    terms: list[Node] = []
    for arg in node.args:
        if arg in inner and graph[arg].op == "add":
            more, parts = _terms(graph, graph[arg], inner)
            sums |= {arg, *more}
            terms += parts
        else:
            terms.append(graph[arg])
    return sums, terms


def _sum(node: Node, products: list[Node], rest: list[Node]) -> list[Node]:
    """One node for all products, and the additions of the rest to it; the last one keeps the sum's name."""
    args = tuple(arg for product in products for arg in product.args)
    turned = tuple(flag for product in products for flag in _turned(product))
    name = f"{node.name}.p" if rest else node.name
    nodes = [Node(name, "products", args, node.shape, (("transposed", turned),))]
    for k, term in enumerate(rest, start=1):
        name = node.name if k == len(rest) else f"{node.name}.p{k}"
        nodes.append(Node(name, "add", (nodes[-1].name, term.name), node.shape))
    return nodes


def _turned(product: Node) -> tuple[int, ...]:
    turned = product.settings["transposed"]
    assert isinstance(turned, tuple)
    return tuple(int(flag) for flag in turned)
