"""How a value that only rearranges another is read where the other lies: an offset, and a stride for each axis.

Reshape, broadcast, slice and permute compute nothing. Where strides can express what they show, no memory is moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from carrousel.engine.graph import Graph, Node, Shape, axis_size

SHOWS = frozenset(("reshape", "stop_gradient", "broadcast", "slice", "permute"))
"""Operations whose result is elements of their argument."""


@dataclass(frozen=True)
class Axis:
    """A run of elements.

    Args:
        size: an axis, as in shapes.
        stride: axes whose sizes multiply to the distance between neighbours; None where all are the same element.
    """

    size: str
    stride: Shape | None


@dataclass(frozen=True)
class View:
    """Where the elements of a value lie.

    Args:
        source: the value that has the memory.
        offset: (number, stride) pairs: where the first element lies.
        axes: for each axis of the shape, the runs that it is made of; none for an axis of 1.
    """

    source: str
    offset: tuple[tuple[int, Shape], ...]
    axes: tuple[tuple[Axis, ...], ...]

    @property
    def runs(self) -> tuple[Axis, ...]:
        """All runs, outermost first."""
        return tuple(run for group in self.axes for run in group)


def view(graph: Graph, name: str) -> View:
    """Where a value's elements lie: in the memory of `View.source`, which is the value itself when it must be made."""
    return _views(_Key(graph))[name]


def is_stored(graph: Graph, name: str) -> bool:
    """Whether the value has memory or a register of its own."""
    return view(graph, name).source == name


def is_whole(graph: Graph, name: str) -> bool:
    """Whether the value shows every element of its source, each once and in order."""
    shown = view(graph, name)
    if shown.offset:
        return False
    same_size = _elements(graph[name].shape, graph.sizes) == _elements(graph[shown.source].shape, graph.sizes)
    return same_size and is_row_major(shown.runs, graph.sizes)


def is_row_major(runs: Sequence[Axis], sizes: Mapping[str, int]) -> bool:
    """Whether the elements follow each other without a gap."""
    distance = 1
    for run in reversed(runs):
        if run.stride is None or _elements(run.stride, sizes) != distance:
            return False
        distance *= axis_size(run.size, sizes)
    return True


def regroup(
    runs: Sequence[Axis], shape: Sequence[str], sizes: Mapping[str, int]
) -> tuple[tuple[Axis, ...], ...] | None:
    """The same elements in the same order, as runs for the axes of another shape; None when strides cannot say it."""
    left = list(runs)
    groups: list[tuple[Axis, ...]] = []
    for axis in reversed(shape):
        group: list[Axis] = []
        for atom in reversed([part for part in axis.split("*") if axis_size(part, sizes) != 1]):
            taken = _take(left, atom, sizes)
            if taken is None:
                return None
            group.insert(0, taken)
        groups.insert(0, tuple(group))
    return None if left else tuple(groups)


def _take(left: list[Axis], atom: str, sizes: Mapping[str, int]) -> Axis | None:
    """Cut a run of the atom's size off the inner end."""
    wanted, innermost, taken = axis_size(atom, sizes), left[-1] if left else None, 1
    if innermost is None:
        return None
    while left and taken < wanted:
        run = left[-1]
        size = axis_size(run.size, sizes)
        if not _follows(run, innermost, taken, sizes):
            return None
        if taken * size <= wanted:
            left.pop()
            taken *= size
            continue
        if size % (wanted // taken) or wanted % taken or taken != 1:
            return None
        stride = None if run.stride is None else (*run.stride, atom)
        left[-1] = Axis(str(size // wanted), stride)
        taken = wanted
    return Axis(atom, innermost.stride) if taken == wanted else None


def _follows(run: Axis, innermost: Axis, distance: int, sizes: Mapping[str, int]) -> bool:
    """Whether the run goes on where `distance` elements of the innermost one end."""
    if run.stride is None or innermost.stride is None:
        return run.stride is innermost.stride
    return _elements(run.stride, sizes) == _elements(innermost.stride, sizes) * distance


def row_major(shape: Sequence[str], sizes: Mapping[str, int]) -> tuple[tuple[Axis, ...], ...]:
    """The runs of a value in its own memory."""
    groups: list[tuple[Axis, ...]] = []
    inner: tuple[str, ...] = ()
    for axis in reversed(shape):
        group: list[Axis] = []
        for atom in reversed([part for part in axis.split("*") if axis_size(part, sizes) != 1]):
            group.insert(0, Axis(atom, inner))
            inner = (atom, *inner)
        groups.insert(0, tuple(group))
    return tuple(groups)


class _Key:
    """A graph by identity, so that its views are worked out once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __hash__(self) -> int:
        return id(self.graph)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.graph is self.graph


@lru_cache(maxsize=64)
def _views(key: _Key) -> dict[str, View]:
    graph, found = key.graph, dict[str, View]()
    for node in graph.nodes:
        shown = _shown(graph, node, found[node.args[0]]) if node.op in SHOWS else None
        found[node.name] = shown or View(node.name, (), row_major(node.shape, graph.sizes))
    return found


def _shown(graph: Graph, node: Node, inner: View) -> View | None:
    sizes, settings = graph.sizes, node.settings
    if node.op == "permute":
        return View(inner.source, inner.offset, tuple(inner.axes[k] for k in cast(tuple[int, ...], settings["order"])))
    if node.op == "broadcast":
        fresh = len(node.shape) - len(inner.axes)
        stretched = [
            group if axis_size(own, sizes) == axis_size(axis, sizes) else (Axis(axis, None),)
            for group, own, axis in zip(inner.axes, graph[node.args[0]].shape, node.shape[fresh:], strict=True)
        ]
        leading = [() if axis_size(axis, sizes) == 1 else (Axis(axis, None),) for axis in node.shape[:fresh]]
        return View(inner.source, inner.offset, (*leading, *stretched))
    if node.op == "slice":
        return _part(node, inner, sizes)
    groups = regroup(inner.runs, node.shape, sizes)
    return None if groups is None else View(inner.source, inner.offset, groups)


def _part(node: Node, inner: View, sizes: Mapping[str, int]) -> View | None:
    axis, start, stop = (cast(int, node.settings[key]) for key in ("axis", "start", "stop"))
    group = inner.axes[axis]
    if len(group) != 1:  # an axis of 1, or one made of several runs
        return inner if not group else None
    (run,) = group
    cut = () if stop - start == 1 else (Axis(str(stop - start), run.stride),)
    offset = () if run.stride is None or start == 0 else ((start, run.stride),)
    return View(inner.source, inner.offset + offset, (*inner.axes[:axis], cut, *inner.axes[axis + 1 :]))


def _elements(shape: Sequence[str], sizes: Mapping[str, int]) -> int:
    return axis_size("*".join(("1", *shape)), sizes)
