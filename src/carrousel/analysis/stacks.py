"""Several layers as one step."""

from collections.abc import Sequence

from carrousel.engine.graph import Attribute, Graph, Node
from carrousel.engine.spec import check
from carrousel.errors import ConfigError


def stacked(graphs: Sequence[Graph]) -> Graph:
    """The step of a stack: each layer's x_t is the output of the layer below, in the same time step.

    Shapes are written in numbers, because a letter has another size in each layer. Names end in the layer: h_t.l0, h_t.l1.

    Raises:
        ConfigError: no layers, or an output that does not fit the input above it.
    """
    if not graphs:
        raise ConfigError("stacked: no layers given, expected at least one. Pass one graph a layer.")
    nodes: list[Node] = []
    outputs: list[tuple[str, str]] = []
    below = ""
    for layer, graph in enumerate(graphs):
        names = {node.name: f"{node.name}.l{layer}" for node in graph.nodes}
        for node in graph.nodes:
            if node.op == "x" and layer:
                _check_fits(graphs, layer, graph.elements(node.name))
                names[node.name] = below
                continue
            shape = tuple(str(size) for size in graph.elements(node.name))
            args = tuple(names[arg] for arg in node.args)
            nodes.append(Node(names[node.name], node.op, args, shape, _in_numbers(node, shape)))
        made = dict(graph.outputs)
        below = names[made["output"]]
        outputs += [(f"{role}.l{layer}", names[name]) for role, name in graph.outputs if role != "output"]
    name = " + ".join(graph.name for graph in graphs)
    return check(Graph(name, tuple(nodes), (("output", below), *outputs), {}))


def _in_numbers(node: Node, shape: tuple[str, ...]) -> tuple[tuple[str, Attribute], ...]:
    return tuple((key, shape if key == "shape" else value) for key, value in node.attributes)


def _check_fits(graphs: Sequence[Graph], layer: int, expected: tuple[int, ...]) -> None:
    lower = graphs[layer - 1]
    got = lower.elements(dict(lower.outputs)["output"])
    if got != expected:
        raise ConfigError(
            f"stacked: layer {layer - 1} ({lower.name}) puts out {got}, expected {expected}, the input of layer {layer} "
            f"({graphs[layer].name}). Trace the upper layer with that input_size."
        )
