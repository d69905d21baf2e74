"""Which line of a step a value belongs to: a step assigns its named values one line after another."""

from carrousel.engine.graph import Graph


def is_named(name: str) -> bool:
    """Whether the value carries a variable name of the step; the others are numbered v1, v2, ..."""
    return not (name[:1] == "v" and name[1:].isdigit())


def line_of(graph: Graph, name: str) -> str:
    """The named value whose line makes a value: itself, or the next named one that reads it; the value itself at the end.

    >>> from carrousel.cells import find
    >>> from carrousel.engine import trace_cell
    >>> line_of(trace_cell(find("lstm"), find("lstm").sizes(2, 2)), "v1")
    'i_t'
    """
    read = {name}
    for node in graph.nodes:
        if node.name in read and is_named(node.name):
            return node.name
        if read & set(node.args):
            read.add(node.name)
            if is_named(node.name):
                return node.name
    return name
