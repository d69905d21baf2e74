"""Whether a cell mixes types: whether one unit of its state can come back as another.

A strongly-typed network adds only quantities of the same unit of measurement. A matrix product makes quantities of another
kind; where its result returns to the state that it was made of, the state adds to itself what is of another kind. So a step
mixes types when, over any number of time steps, two elements of one state field depend on each other. Gates, averages and
squashing functions work unit by unit and mix nothing; a shift of elements that never comes back converts, and does not mix.

Source: Balduzzi and Ghifary, "Strongly-Typed Recurrent Neural Networks", ICML 2016, arXiv:1602.02218, sections 2 and 3.
Differs: the paper annotates each equation with types by hand; this looks only at what returns to the state.
"""

from dataclasses import dataclass

import numpy as np

from carrousel.analysis.complexity import closure
from carrousel.analysis.lines import line_of
from carrousel.analysis.paths import Bools, Paths, any_along
from carrousel.engine.graph import Graph


@dataclass(frozen=True)
class Mixing:
    """Where a step mixes types.

    Args:
        value: the operation's node, such as v2.
        line: the named value of the step that it belongs to, such as i_t.
        field: the state field whose elements it mixes.
    """

    value: str
    line: str
    field: str


def mixing(graph: Graph) -> Mixing | None:
    """The first operation of a step that mixes types; None for a strongly-typed cell.

    Args:
        graph: of one step, traced at sizes of 2 or more: a single unit has nothing to mix with.

    >>> from carrousel.cells import find
    >>> from carrousel.engine import trace_cell
    >>> mixing(trace_cell(find("lstm"), find("lstm").sizes(2, 2)))
    Mixing(value='v2', line='i_t', field='h')
    >>> mixing(trace_cell(find("t_lstm"), find("t_lstm").sizes(2, 2))) is None
    True
    """
    paths = Paths(graph)
    together = _together(paths)
    fields = _names(graph)
    parts = np.repeat(np.arange(len(fields)), paths.state_sizes)
    mixed = together & (parts[:, None] == parts)
    if not mixed.any():
        return None
    returning = _returning(graph, [fields[k] for k in sorted(set(parts[any_along(together, 1)]))])
    for node in graph.computed:
        if node.name not in returning or paths.values[node.name] is None:
            continue
        reads = _sources(paths, node.name)
        pairs = mixed & (reads.T.astype(np.float32) @ reads.astype(np.float32) > 0)
        if pairs.any():
            return Mixing(node.name, line_of(graph, node.name), fields[int(parts[any_along(pairs, 1).argmax()])])
    raise AssertionError(f"{graph.name}: mixed elements without an operation that mixes them")


def _together(paths: Paths) -> Bools:
    """Pairs of different elements of the state that depend on each other, over any number of steps."""
    count = paths.num_states
    lengths = paths.next_states()[:, :, : 2 * count]
    edges = any_along(np.isfinite(lengths), 1)
    reached = closure(edges[:, :count] | edges[:, count:])
    return reached & reached.T & ~np.eye(count, dtype=bool)


def _sources(paths: Paths, name: str) -> Bools:
    count = paths.num_states
    reads = any_along(np.isfinite(paths.flat(name)), 1)
    return reads[:, :count] | reads[:, count : 2 * count]


def _returning(graph: Graph, fields: list[str]) -> frozenset[str]:
    """The values that a state field is made of."""
    needed = {name for role, name in graph.outputs if role.removeprefix("state.") in fields}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.args)
    return frozenset(needed)


def _names(graph: Graph) -> list[str]:
    return [role.removeprefix("state.") for role, _ in graph.outputs if role.startswith("state.")]
