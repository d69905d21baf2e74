"""Random numbers as values of a graph, and the masks made from them."""

from collections.abc import Collection, Sequence

from carrousel.engine.graph import Graph, Node, Shape

MARK = "~"
"""What the names of values that a rewrite adds have and no variable of a step can have; traces do not show them."""

_PER_SEQUENCE = ("per", "sequence")


def uniform(name: str, shape: Shape, *, is_per_sequence: bool = False) -> Node:
    """A leaf of numbers in [0, 1): new at every step, or one a sequence."""
    return Node(name, "x", (), shape, (_PER_SEQUENCE,) if is_per_sequence else ())


def is_per_sequence(leaf: Node) -> bool:
    """Whether the random numbers of a leaf stay the same over a sequence."""
    return _PER_SEQUENCE in leaf.attributes


def is_below(name: str, shape: Shape, probability: float, *, is_per_sequence: bool = False) -> list[Node]:
    """A truth value, true with that probability, as the last of the nodes that make it; all are called after it."""
    drawn = uniform(f"{name}{MARK}u", shape, is_per_sequence=is_per_sequence)
    bound = constant(f"{name}{MARK}p", probability)
    return [drawn, bound, Node(name, "less", (drawn.name, bound.name), shape)]


def mask(name: str, shape: Shape, probability: float, kept: float, *, is_per_sequence: bool = False) -> list[Node]:
    """0 with that probability and `kept` elsewhere, as the last of the nodes that make it."""
    dropped = is_below(f"{name}{MARK}0", shape, probability, is_per_sequence=is_per_sequence)
    numbers = [constant(f"{name}{MARK}zero", 0.0), constant(f"{name}{MARK}kept", kept)]
    args = (dropped[-1].name, *(number.name for number in numbers))
    return [*dropped, *numbers, Node(name, "where", args, shape)]


def constant(name: str, value: float) -> Node:
    """One number."""
    return Node(name, "constant", (), (), (("value", value),))


def insert_behind(graph: Graph, name: str, added: Sequence[Node], readers: Collection[str] | None = None) -> Graph:
    """The graph with nodes behind a value, the last of which takes its place for the readers named, or for all.

    A reader is a node, or an output by its role.
    """
    new = added[-1].name
    nodes: list[Node] = []
    for node in graph.nodes:
        is_reader = readers is None or node.name in readers
        args = tuple(new if arg == name and is_reader else arg for arg in node.args)
        nodes.append(Node(node.name, node.op, args, node.shape, node.attributes))
        if node.name == name:
            nodes += added
    outputs = tuple(
        (role, new if n == name and (readers is None or role in readers) else n) for role, n in graph.outputs
    )
    return Graph(graph.name, tuple(nodes), outputs, graph.sizes)


def next_state(graph: Graph, field: str) -> str:
    """The value that becomes the state field after the step."""
    return dict(graph.outputs)[f"state.{field}"]


def state_leaf(graph: Graph, field: str) -> str:
    """The leaf of the state field before the step."""
    fields = [role.removeprefix("state.") for role, _ in graph.outputs if role.startswith("state.")]
    return [leaf.name for leaf in graph.leaves("state")][fields.index(field)]
