"""A graph as a line of text that can be read back: how an exported program names its cell."""

import json
from typing import Any, cast

from carrousel.engine.graph import Attribute, Graph, Node

_VERSION = 1


def text_of(graph: Graph) -> str:
    """The graph in JSON; equal graphs have equal texts."""
    nodes = [[node.name, node.op, node.args, node.shape, node.attributes] for node in graph.nodes]
    return json.dumps([_VERSION, graph.name, nodes, graph.outputs, dict(graph.sizes)], separators=(",", ":"))


def graph_of(text: str) -> Graph:
    """The graph whose text this is."""
    version, name, nodes, outputs, sizes = json.loads(text)
    assert version == _VERSION, f"a graph of version {version}, and this is version {_VERSION}"
    return Graph(
        name,
        tuple(Node(n, op, tuple(args), tuple(shape), _attributes(given)) for n, op, args, shape, given in nodes),
        tuple((role, value) for role, value in outputs),
        sizes,
    )


def _attributes(given: list[tuple[str, Any]]) -> tuple[tuple[str, Attribute], ...]:
    return tuple((key, tuple(cast("list[str]", value)) if isinstance(value, list) else value) for key, value in given)
