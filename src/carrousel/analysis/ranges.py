"""Bounds of every value of a step, whatever its parameters, input and state are: gates lie between 0 and 1."""

from collections.abc import Sequence
from math import inf
from typing import cast

from carrousel.engine.graph import Graph, Node

Range = tuple[float, float]
_KNOWN: dict[str, Range] = {
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
    "sign": (-1.0, 1.0),
    "exp": (0.0, inf),
    "softplus": (0.0, inf),
    "abs": (0.0, inf),
    "sqrt": (0.0, inf),
}
_SAME = frozenset(("reshape", "copy", "broadcast", "permute", "slice", "stop_gradient", "max"))


def ranges(graph: Graph) -> dict[str, Range]:
    """Lowest and highest value of each node.

    >>> from carrousel.cells import find
    >>> from carrousel.engine import trace_cell
    >>> ranges(trace_cell(find("lstm"), find("lstm").sizes(2, 2)))["h_t"]
    (-1.0, 1.0)
    """
    found: dict[str, Range] = {}
    for node in graph.nodes:
        found[node.name] = _range(node, [found[arg] for arg in node.args])
    return found


def _range(node: Node, given: Sequence[Range]) -> Range:
    if node.op == "constant":
        value = cast(float, node.settings["value"])
        return value, value
    if node.op in _KNOWN:
        return _KNOWN[node.op]
    if node.op in _SAME:
        return given[0]
    if node.op in ("concatenate", "where"):
        parts = given[1:] if node.op == "where" else given
        return min(low for low, _ in parts), max(high for _, high in parts)
    if node.op == "relu":
        return max(0.0, given[0][0]), max(0.0, given[0][1])
    if node.op == "neg":
        return -given[0][1], -given[0][0]
    if node.op in _ARITHMETIC:
        return _ARITHMETIC[node.op](*given)
    if node.op == "sum":
        return (0.0 if given[0][0] >= 0 else -inf), (0.0 if given[0][1] <= 0 else inf)
    if node.op == "pad":
        return min(0.0, given[0][0]), max(0.0, given[0][1])
    return -inf, inf


def _times(a: Range, b: Range) -> Range:
    ends = [0.0 if 0.0 in (x, y) else x * y for x in a for y in b]
    return min(ends), max(ends)


def _larger(a: Range, b: Range) -> Range:
    return max(a[0], b[0]), max(a[1], b[1])


def _smaller(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), min(a[1], b[1])


def _sum(a: Range, b: Range) -> Range:
    return a[0] + b[0], a[1] + b[1]


def _difference(a: Range, b: Range) -> Range:
    return a[0] - b[1], a[1] - b[0]


_ARITHMETIC = {"add": _sum, "sub": _difference, "mul": _times, "maximum": _larger, "minimum": _smaller}
