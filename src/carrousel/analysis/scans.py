"""Whether a cell's time loop can be an associative scan, and over which pair of operations.

A scan needs a state update of the form s_t = A_t s_{t-1} + b_t, in which A_t and b_t do not depend on the state; + and · may
also be max and + (a tropical semiring), or max and · of numbers that are not negative. State fields that depend on each other
are one state. A field that others only read is scanned before them, and then counts as known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carrousel.analysis.lines import line_of
from carrousel.analysis.ranges import ranges
from carrousel.engine.graph import Graph, Node

LINEAR, MAX_PLUS, MAX_TIMES = "linear", "max-plus", "max-times"
Kinds = frozenset[str] | None
"""The semirings in which a value is affine in the state; None where it does not depend on the state."""

_PASSING = frozenset(("reshape", "copy", "broadcast", "permute", "slice", "concatenate"))


@dataclass(frozen=True)
class Scan:
    """How one group of state fields can be scanned.

    Args:
        fields: state fields that depend on each other.
        kind: "linear", "max-plus" or "max-times"; empty when they cannot be scanned.
        obstacle: the line of the first value that is in none of these forms; empty when they can.
    """

    fields: tuple[str, ...]
    kind: str
    obstacle: str = ""


def scans(graph: Graph) -> tuple[Scan, ...]:
    """One entry for each group of state fields, in the order in which they can be scanned.

    >>> from carrousel.cells import find
    >>> from carrousel.engine import trace_cell
    >>> for name in ("min_gru", "lstm"):
    ...     print(scans(trace_cell(find(name), find(name).sizes(2, 2))))
    (Scan(fields=('h',), kind='linear', obstacle=''),)
    (Scan(fields=('h', 'c'), kind='', obstacle='i_t'),)
    """
    return tuple(_scan(graph, group) for group in _groups(graph))


def is_scannable(graph: Graph) -> bool:
    """Whether every group of state fields can be scanned."""
    return all(scan.kind for scan in scans(graph))


def _scan(graph: Graph, group: tuple[str, ...]) -> Scan:
    leaves = {leaf for leaf, field in _fields(graph).items() if field in group}
    kinds: dict[str, Kinds] = {}
    bounds = ranges(graph)
    nonlinear = ""
    needed = _ancestors(graph, [name for role, name in graph.outputs if role.removeprefix("state.") in group])
    for node in graph.nodes:
        if node.op == "state":
            kinds[node.name] = frozenset((LINEAR, MAX_PLUS, MAX_TIMES)) if node.name in leaves else None
            continue
        kinds[node.name] = _kinds(graph, node, kinds, bounds)
        if kinds[node.name] == frozenset() and node.name in needed and not nonlinear:
            nonlinear = node.name
    common = frozenset((LINEAR, MAX_PLUS, MAX_TIMES))
    for role, name in graph.outputs:
        if role.removeprefix("state.") in group:
            found = kinds[name]
            common = common if found is None else common & found
    for kind in (LINEAR, MAX_PLUS, MAX_TIMES):
        if kind in common:
            return Scan(group, kind)
    return Scan(group, "", line_of(graph, nonlinear))


def _kinds(graph: Graph, node: Node, kinds: Mapping[str, Kinds], bounds: Mapping[str, tuple[float, float]]) -> Kinds:
    """The semirings in which a node is affine, from those of its arguments."""
    given = [kinds[arg] for arg in node.args]
    reading = [kind for kind in given if kind is not None]
    if not reading:
        return None
    common = frozenset[str].intersection(*reading)
    free = [arg for arg in node.args if kinds[arg] is None]
    if node.op in _PASSING:
        return common
    if node.op in ("add", "sub"):
        shifted = {MAX_PLUS} if len(reading) == 1 and (node.op == "add" or given[0] is not None) else set[str]()
        return common & {LINEAR, *shifted}
    if node.op in ("mul", "div"):
        if len(reading) > 1 or (node.op == "div" and given[0] is None):
            return frozenset()
        return common & {LINEAR, *([MAX_TIMES] if bounds[free[0]][0] >= 0 else [])}
    if node.op in ("maximum", "max"):
        return common & {MAX_PLUS, MAX_TIMES}
    if node.op in ("neg", "sum", "pad"):
        return common & {LINEAR}
    if node.op == "stop_gradient":
        return common
    if node.op in ("matvec", "products"):
        return common & {LINEAR} if all(_is_free_pair(pair) for pair in _pairs(given)) else frozenset()
    if node.op == "where" and given[0] is None:
        return common
    return frozenset()


def _pairs(given: Sequence[Kinds]) -> Sequence[tuple[Kinds, Kinds]]:
    return list(zip(given[::2], given[1::2], strict=True))


def _is_free_pair(pair: tuple[Kinds, Kinds]) -> bool:
    return pair[0] is None or pair[1] is None


def _fields(graph: Graph) -> dict[str, str]:
    """State leaf -> field."""
    names = [role.removeprefix("state.") for role, _ in graph.outputs if role.startswith("state.")]
    return {leaf.name: name for leaf, name in zip(graph.leaves("state"), names, strict=True)}


def _groups(graph: Graph) -> list[tuple[str, ...]]:
    """State fields that depend on each other, each group after those that it reads."""
    fields = _fields(graph)
    made = {role.removeprefix("state."): name for role, name in graph.outputs if role.startswith("state.")}
    reads = {f: {fields[a] for a in _ancestors(graph, [made[f]]) if a in fields} for f in made}
    reach = {f: _reached(f, reads) for f in made}
    groups = {tuple(g for g in made if g == f or (g in reach[f] and f in reach[g])) for f in made}
    order = list(made)
    return sorted(groups, key=lambda group: (len(reach[group[0]] | set(group)), order.index(group[0])))


def _reached(field: str, reads: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = set(reads[field])
    while waiting:
        found |= waiting
        waiting = {further for one in waiting for further in reads[one]} - found
    return found


def _ancestors(graph: Graph, names: Sequence[str]) -> set[str]:
    needed = set(names)
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.args)
    return needed
