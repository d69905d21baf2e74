"""The carrousel of a step, found in its graph: the path on which a state reaches its own next value by products and sums."""

from collections.abc import Mapping
from dataclasses import dataclass

from carrousel.engine.graph import Graph, Node

_CARRIES: Mapping[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("add", "sub", "mul", "neg", "concatenate", "maximum", "minimum"), None),
    **dict.fromkeys(("reshape", "permute", "slice", "broadcast", "copy", "div"), (0,)),
    "where": (1, 2),
}
"""Operation -> arguments whose elements come through as parts of elementwise sums and products; None for all.

maximum and minimum choose between values, which are the sums of a max-plus cell; against a constant they are a squashing.
"""

_SHOWS = frozenset(("reshape", "permute", "slice", "broadcast", "copy"))


@dataclass(frozen=True)
class Read:
    """A place where the step reads its state to make a gate or a cell input.

    Args:
        source: the value read: a state, or a value on the carrousel.
        reader: the node that reads it.
    """

    source: str
    reader: str


def find_carrousels(graph: Graph) -> dict[str, frozenset[str]]:
    """State field -> the values on the path from the state to its own next value, both ends included.

    A value is on it when the state before the step reaches it, and it the state after, by elementwise products and sums
    alone, through no squashing and no matrix. Fields without such a path are left out; a path from one field that has
    one to another belongs to the field it ends in.

    In an LSTM, c is carried by f_t ⊙ c_{t-1} and by the sum that is c_t; h has no carrousel.
    """
    ends = {field: _reaching(graph, dict(graph.outputs)[f"state.{field}"]) for field in state_fields(graph)}
    starts = {
        field: _reached(graph, leaf.name)
        for leaf, field in zip(graph.leaves("state"), state_fields(graph), strict=True)
        if leaf.name in ends[field]
    }
    anywhere = set[str]().union(*starts.values())
    return {field: frozenset(anywhere & ends[field]) for field in starts}


def carried_arguments(graph: Graph, node: Node) -> tuple[str, ...]:
    """The arguments whose elements come through the node as parts of elementwise sums and products."""
    if node.op not in _CARRIES:
        return ()
    if node.op in ("maximum", "minimum") and any(_is_constant(graph, arg) for arg in node.args):
        return ()
    places = _CARRIES[node.op]
    return node.args if places is None else tuple(node.args[k] for k in places)


def recurrent_reads(graph: Graph) -> tuple[Read, ...]:
    """Where gates and cell inputs read the state, in execution order.

    That is every read of the state before the step which is off the carrousel and meets a parameter on its way; and every
    read of a value on the carrousel by a weight that leads back into the same carrousel (a deeper layer of the step), or
    to a factor of something that this value reaches without weights as well (the peephole of an output gate).
    """
    step = _Step(graph)
    return tuple(
        Read(arg, node.name)
        for node in graph.computed
        for arg in dict.fromkeys(node.args)
        if step.is_recurrent_read(arg, node)
    )


def matrix_reads(graph: Graph) -> tuple[tuple[str, Read], ...]:
    """The recurrent reads that end in a matrix without being squashed before, each with its state field."""
    leaves = {leaf.name: field for leaf, field in zip(graph.leaves("state"), state_fields(graph), strict=True)}
    paths = find_carrousels(graph)
    found: list[tuple[str, Read]] = []
    for read in recurrent_reads(graph):
        met = {read.source} if graph[read.reader].op == "matvec" else _reached(graph, read.reader)
        if any(node.op == "matvec" and node.args[1] in met for node in graph.computed):
            fields = (
                [leaves[read.source]]
                if read.source in leaves
                else [f for f, path in paths.items() if read.source in path]
            )
            found.append((fields[0], read))
    return tuple(found)


def recurrent_matrices(graph: Graph) -> tuple[str, ...]:
    """The parameters that multiply the state, which no squashing has changed, as matrices."""
    reached = set[str]().union(*(_reached(graph, leaf.name) for leaf in graph.leaves("state")))
    used = [node.args[0] for node in graph.computed if node.op == "matvec" and node.args[1] in reached]
    sources = {_source(graph, name) for name in used}
    return tuple(node.name for node in graph.leaves("param") if node.name in sources)


def state_fields(graph: Graph) -> tuple[str, ...]:
    """The state's fields in order."""
    return tuple(role.removeprefix("state.") for role, _ in graph.outputs if role.startswith("state."))


class _Step:
    """What the rules of `recurrent_reads` ask about a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.paths = find_carrousels(graph)
        self.states = {node.name for node in graph.leaves("state")}
        self.readers: dict[str, list[Node]] = {node.name: [] for node in graph.nodes}
        for node in graph.computed:
            for arg in dict.fromkeys(node.args):
                self.readers[arg].append(node)
        self.from_params = _from_params(graph)

    def is_recurrent_read(self, source: str, reader: Node) -> bool:
        paths = [path for path in self.paths.values() if source in path]
        if any(reader.name in path and source in carried_arguments(self.graph, reader) for path in paths):
            return False
        if source in self.states:
            return self.is_weighed(source, reader) or any(
                self.is_weighed(name, node) for name in self.after(reader.name) for node in self.readers[name]
            )
        return any(self.leads_back(source, reader, path) for path in paths)

    def is_weighed(self, source: str, reader: Node) -> bool:
        """Whether the reader multiplies the value by parameters."""
        if reader.op not in ("matvec", "mul"):
            return False
        return any(arg != source and arg in self.from_params for arg in reader.args)

    def leads_back(self, source: str, reader: Node, path: frozenset[str]) -> bool:
        while reader.op in _SHOWS and len(self.readers[reader.name]) == 1:
            source, reader = reader.name, self.readers[reader.name][0]
        if not self.is_weighed(source, reader):
            return False
        weighed = self.after(reader.name)
        beside = self.after(source) - weighed
        return bool(weighed & path) or any(
            node.op == "mul" and len(set(node.args) & weighed) == 1 and bool(set(node.args) & beside)
            for node in self.graph.computed
        )

    def after(self, name: str) -> set[str]:
        """The value and everything made from it."""
        found = {name}
        for node in self.graph.computed:
            if found.intersection(node.args):
                found.add(node.name)
        return found


def _reached(graph: Graph, start: str) -> set[str]:
    found = {start}
    for node in graph.computed:
        if found.intersection(carried_arguments(graph, node)):
            found.add(node.name)
    return found


def _reaching(graph: Graph, end: str) -> set[str]:
    found = {end}
    for node in reversed(list(graph.computed)):
        if node.name in found:
            found.update(carried_arguments(graph, node))
    return found


def _from_params(graph: Graph) -> set[str]:
    """Values made from parameters, and from nothing else but constants."""
    fixed: set[str] = set()
    found: set[str] = set()
    for node in graph.nodes:
        if node.op == "constant" or (node.args and all(arg in fixed | found for arg in node.args)):
            fixed.add(node.name)
        if node.op == "param" or (node.name in fixed and found.intersection(node.args)):
            found.add(node.name)
    return found


def _source(graph: Graph, name: str) -> str:
    return _source(graph, graph[name].args[0]) if graph[name].op in _SHOWS else name


def _is_constant(graph: Graph, name: str) -> bool:
    node = graph[name]
    return node.op == "constant" or (node.op in _SHOWS and _is_constant(graph, node.args[0]))
