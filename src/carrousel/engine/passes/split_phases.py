"""A step cut into phases: inside one, every element can be finished on its own; between two, whole vectors must be there."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from carrousel.engine.graph import LEAVES, TRUTH, Graph, Node, Shape, axis_size
from carrousel.engine.passes.spell_broadcasts import ELEMENTWISE
from carrousel.engine.views import View, is_row_major, is_stored, is_whole, regroup, view

REDUCTIONS = frozenset(("sum", "max"))
"""Operations that make one element of many."""


@dataclass(frozen=True)
class Phase:
    """Part of a step.

    Args:
        nodes: products and elementwise nodes on vectors of one size, or a single node that moves or reduces elements.
        axes: the size they share, as axes to multiply.
        is_tiled: whether it is the first kind.
        loops: the axes to count through, where some argument is not read element after element; empty otherwise.
    """

    nodes: tuple[Node, ...]
    axes: Shape
    is_tiled: bool
    loops: Shape = ()

    @property
    def has_products(self) -> bool:
        return any(node.op == "products" for node in self.nodes)

    def __str__(self) -> str:
        return f"{' '.join(self.axes) or '1'}: {', '.join(node.name for node in self.nodes)}"


def split_phases(graph: Graph, kept: Collection[str] = ()) -> tuple[Phase, ...]:
    """The fewest phases, in order, each node in the earliest that fits.

    Args:
        graph: of one step.
        kept: values that are written down, beside the graph's own outputs.

    Needs: broadcasts spelled out, products joined. Gives: a node's arguments are elements of its own phase at the same place,
    or whole vectors of earlier ones; the vectors of products are always of earlier phases. What `inline` names is in none:
    it is computed where it is read.
    """
    split = _Split(graph, inline(graph, kept))
    for node in graph.nodes:
        split.place(node)
    return tuple(phase.finished() for phase in split.phases)


def inline(graph: Graph, kept: Collection[str] = ()) -> frozenset[str]:
    """Values that are computed where they are read: truth values, and what only one sum or maximum reads."""
    uses = Counter(arg for node in graph.nodes for arg in node.args) + Counter(name for _, name in graph.outputs)
    absorbed = {
        node.args[0]
        for node in graph.nodes
        if node.op in REDUCTIONS and uses[node.args[0]] == 1 and _is_computed(graph, node.args[0])
    }
    return frozenset(absorbed - set(kept) | {node.name for node in graph.computed if node.op in TRUTH})


def _is_computed(graph: Graph, name: str) -> bool:
    return graph[name].op in ELEMENTWISE and is_stored(graph, name)


@dataclass
class _Open:
    """A phase that can still take nodes."""

    nodes: list[Node]
    size: int | None  # None: a node of its own
    loops: Shape = ()

    def finished(self) -> Phase:
        return Phase(tuple(self.nodes), self.nodes[0].shape, self.size is not None, self.loops)


class _Split:
    def __init__(self, graph: Graph, inline: Collection[str]) -> None:
        self.graph, self.inline = graph, inline
        self.phases: list[_Open] = []
        self.number: dict[str, int] = {}  # stored value -> its phase; -1 before the step

    def place(self, node: Node) -> None:
        shown = view(self.graph, node.name)
        if node.op in LEAVES or node.op == "constant":
            self.number[node.name] = -1
        elif shown.source == node.name and node.name not in self.inline:
            self._into_a_phase(node)

    def _into_a_phase(self, node: Node) -> None:
        is_tiled = node.op in ELEMENTWISE or node.op == "products"
        size = elements(self.graph, node.shape)
        earliest = max((self._after(arg, node, size) for arg in self._read(node)), default=0)
        loops = self._loops(node)
        for number in range(max(earliest, 0), len(self.phases)):
            if is_tiled and self._fits(self.phases[number], node, size, loops):
                break
        else:
            number = len(self.phases)
            self.phases.append(_Open([], size if is_tiled else None))
        phase = self.phases[number]
        phase.nodes.append(node)
        phase.loops = phase.loops or loops
        self.number[node.name] = number

    def _read(self, node: Node) -> list[str]:
        """What a node reads, through the values that are computed on the way."""
        found: list[str] = []
        for arg in node.args:
            source = view(self.graph, arg).source
            found += self._read(self.graph[source]) if source in self.inline else [arg]
        return found

    def _after(self, arg: str, node: Node, size: int) -> int:
        """The first phase in which an argument can be read."""
        number = self.number[view(self.graph, arg).source]
        if number < 0:
            return 0
        is_same_element = (
            node.op in ELEMENTWISE and self.phases[number].size == size and is_whole(self.graph, arg)
        )  # fmt: skip
        return number if is_same_element else number + 1

    def _loops(self, node: Node) -> Shape:
        """The axes to count through; none where every argument is read element after element."""
        if node.op == "products":
            heads = {self.graph[matrix].shape[0] for matrix in node.args[::2] if len(self.graph[matrix].shape) == 3}
            return (min(heads), node.shape[-1]) if heads else ()
        if node.op not in ELEMENTWISE or all(is_flat(self.graph, arg) for arg in self._read(node)):
            return ()
        return atoms(self.graph, node.shape)

    def _fits(self, phase: _Open, node: Node, size: int, loops: Shape) -> bool:
        if phase.size != size:
            return False
        has_products = node.op == "products" or any(other.op == "products" for other in phase.nodes)
        together = phase.loops or loops
        if has_products and len(together) > 2:
            return False
        if phase.loops and loops:
            own = [axis_size(axis, self.graph.sizes) for axis in loops]
            return own == [axis_size(axis, self.graph.sizes) for axis in phase.loops]
        return True


def atoms(graph: Graph, shape: Shape) -> Shape:
    """The axes of a shape taken apart, without axes of 1."""
    return tuple(part for axis in shape for part in axis.split("*") if axis_size(part, graph.sizes) != 1)


def is_flat(graph: Graph, name: str) -> bool:
    """Whether a value is read element after element from some place on, or is a single number."""
    shown = view(graph, name)
    return is_row_major(shown.runs, graph.sizes) or all(run.stride is None for run in shown.runs)


def strides(graph: Graph, shown: View, loops: Sequence[str]) -> tuple[Shape | None, ...] | None:
    """The distance between neighbours along each of the loops; None when the view does not run along them."""
    groups = regroup(shown.runs, loops, graph.sizes)
    return None if groups is None else tuple(group[0].stride if group else () for group in groups)


def elements(graph: Graph, shape: Shape) -> int:
    return axis_size("*".join(("1", *shape)), graph.sizes)
