"""Which values the forward loop writes down for the backward one, and which the backward one computes again."""

from carrousel.engine.derivatives import met
from carrousel.engine.graph import TRUTH, Graph, Node, without_dead
from carrousel.engine.views import is_stored

_ACTIVATIONS = frozenset(("tanh", "sigmoid", "exp", "log", "sqrt", "sin", "cos", "softplus"))


def choose_tape(forward: Graph, backward: Graph) -> tuple[Graph, tuple[str, ...]]:
    """The backward step with cheap values recomputed, and the names of the forward values it still needs.

    A value is recomputed when that takes neither a matrix product nor the activation that follows one: everything is rebuilt
    from these activations, from the inputs and from the state before the step. Vectors that meet a matrix are kept, because
    the matrix's derivative is taken after the loop.

    Needs: the loop, and its derivative by `differentiate`. Gives: a backward graph whose saved leaves are all on the tape.
    """
    raw = _reached(forward, "products")
    before_activation = raw | _reached(forward, "input")
    vectors = {met(role)[1] for role, _ in backward.outputs if role.startswith("weight.")}
    tape: set[str] = {vector for vector in vectors if forward[vector].op not in ("param", "constant")}
    nodes: dict[str, Node] = {}

    def resolve(name: str) -> None:
        node = forward[name]
        if name in nodes:
            return
        if node.op in ("param", "constant"):
            nodes[name] = node
        elif is_stored(forward, name) and (
            node.op in ("state", "input") or name in tape or name in raw or _is_activation(node, before_activation)
        ):
            tape.add(name)
            nodes[name] = Node(name, "saved", (), node.shape)
        else:
            for arg in node.args:
                resolve(arg)
            nodes[name] = node

    for node in backward.nodes:
        if node.op == "saved":
            resolve(node.name)
        elif node.name not in nodes:
            nodes[node.name] = node
    for vector in vectors:
        resolve(vector)
    kept = without_dead(list(nodes.values()), backward.outputs)
    read = {arg for node in kept for arg in node.args} | vectors
    live = tuple(node for node in kept if node.op != "saved" or node.name in read)
    return Graph(backward.name, live, backward.outputs, backward.sizes), tuple(n.name for n in live if n.op == "saved")


def _reached(graph: Graph, op: str) -> set[str]:
    """Numbers that a value of this operation reaches without passing an activation."""
    reached: set[str] = set()
    for node in graph.nodes:
        is_passed_on = node.op not in _ACTIVATIONS and node.op not in TRUTH
        if node.op == op or (is_passed_on and any(arg in reached for arg in node.args)):
            reached.add(node.name)
    return reached


def _is_activation(node: Node, before: set[str]) -> bool:
    return node.op in _ACTIVATIONS and any(arg in before for arg in node.args)
