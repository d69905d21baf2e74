"""Architectural complexity of a cell or a stack: how deep in time, how deep from input to output, how far it skips.

Source: Zhang, Wu, Che, Lin, Memisevic, Salakhutdinov and Bengio, "Architectural Complexity Measures of Recurrent Neural
Networks", NIPS 2016, arXiv:1602.08210, definitions 3 to 5 and theorems 1 to 3.
Differs: the paper draws a gated unit as one node by hand; here lengths are counted in the traced step, in transitions (an
affine map, then a squashing function), which gives the paper's values for its architectures. A gate that waits for another
gate in the same step (gru_reset_before) and a peephole from the new cell state are transitions of their own.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from carrousel.analysis.paths import Array, Bools, Paths
from carrousel.engine.graph import Graph


@dataclass(frozen=True)
class Complexity:
    """The three measures, and which numbers carry themselves.

    Args:
        recurrent_depth: transitions per time step on the longest way through time; 0 where every way is linear.
        feedforward_depth: transitions from input to output beyond those that time brings; reading the output is one.
        skip_coefficient: time steps per transition on the shortest way through time, carries left out; None where
            nothing but carries goes through time.
        carrousel: state fields with an element that comes back to itself without a transition.
    """

    recurrent_depth: Fraction
    feedforward_depth: Fraction
    skip_coefficient: Fraction | None
    carrousel: tuple[str, ...]


def complexity(graph: Graph) -> Complexity:
    """The measures of one traced step; `carrousel.analysis.stacks.stacked` makes one step of several layers.

    >>> from carrousel.cells import find
    >>> from carrousel.engine import trace_cell
    >>> measures = complexity(trace_cell(find("lstm"), find("lstm").sizes(2, 2)))
    >>> str(measures.recurrent_depth), str(measures.feedforward_depth), str(measures.skip_coefficient), measures.carrousel
    ('1', '2', '1', ('c',))
    """
    longest, shortest = Paths(graph), Paths(graph, is_longest=False)
    hops = _hops(longest.next_states(), longest)
    depth = max_cycle_mean(hops) or Fraction(0)
    carriers = _carriers(shortest)
    cut = Paths(graph, is_longest=False, carriers=carriers)
    least = max_cycle_mean(-_hops(cut.next_states(), cut))
    return Complexity(
        depth, _feedforward(longest, hops, depth), -1 / least if least else None, _fields(graph, longest, carriers)
    )


def max_cycle_mean(lengths: Array) -> Fraction | None:
    """The largest mean length of a cycle (Karp 1978); None without a cycle.

    Args:
        lengths: from vertex (column) to vertex (row), -∞ where there is no edge; whole numbers.
    """
    size = len(lengths)
    walks = [np.zeros(size)]
    for _ in range(size):
        walks.append((lengths + walks[-1]).max(1) if size else walks[-1])
    with np.errstate(invalid="ignore"):
        means = (
            np.stack([(walks[-1] - walk) / (size - k) for k, walk in enumerate(walks[:-1])])
            if size
            else np.zeros((1, 0))
        )
    ends = np.isfinite(walks[-1])
    if not ends.any():
        return None
    means = np.where(np.isnan(means), np.inf, means)
    return Fraction(float(means.min(0)[ends].max())).limit_denominator(size)


def _hops(lengths: Array, paths: Paths) -> Array:
    """Lengths of one time step from state to state: vertices are the elements not armed, then the same armed."""
    best = np.max if paths.is_longest else np.min
    count = paths.num_states
    rows = [best(lengths[:, [armed, 2 + armed], : 2 * count], axis=1) for armed in (0, 1)]
    return np.concatenate(rows)


def _carriers(paths: Paths) -> Bools:
    """Elements of the state that come back to themselves without a transition, over any number of time steps."""
    count = paths.num_states
    edges = np.isfinite(paths.next_states()[:, :2, : 2 * count])
    returns = closure(np.concatenate([edges[:, 0], edges[:, 1]])).diagonal()
    return returns[:count] | returns[count:]


def _feedforward(paths: Paths, hops: Array, depth: Fraction) -> Fraction:
    """The longest way from an input to an output, each time step on it taking off the recurrent depth."""
    count, scale = paths.num_states, depth.denominator
    entering = paths.next_states()[:, :, 2 * count :].max(2, initial=-np.inf)
    arrived = np.concatenate([entering[:, [0, 2]].max(1), entering[:, [1, 3]].max(1)]) * scale
    for _ in range(2 * count):
        arrived = np.maximum(arrived, (hops * scale + arrived).max(1) - depth.numerator)
    leaving = paths.outputs().max(1)
    direct = leaving[:, 2 * count :].max(initial=-np.inf) * scale
    through = (leaving[:, : 2 * count].max(0) * scale + arrived).max(initial=-np.inf) - depth.numerator
    longest = max(direct, through)
    return Fraction(int(longest), scale) + 1 if np.isfinite(longest) else Fraction(0)


def _fields(graph: Graph, paths: Paths, carriers: Bools) -> tuple[str, ...]:
    names = [role.removeprefix("state.") for role, _ in graph.outputs if role.startswith("state.")]
    edges = np.cumsum(paths.state_sizes)[:-1]
    return tuple(name for name, part in zip(names, np.split(carriers, edges), strict=True) if part.any())


def closure(edges: Bools) -> Bools:
    """Which vertex (column) reaches which (row) over one edge or more."""
    reached = edges.copy()
    for _ in range(max(1, len(edges).bit_length())):
        reached |= (reached.astype(np.float32) @ reached.astype(np.float32)) > 0
    return reached
