"""A step as data: immutable nodes in execution order, printable as text.

    elman(D=3, H=2)
      W: H D = param
      R: H H = param
      b: H = param
      x_t: D = x
      h_tm1: H = state
      v1: H = matvec W x_t
      v2: H = matvec R h_tm1
      v3: H = add v1 v2
      v4: H = add v3 b
      h_t: H = tanh v4
      -> output h_t, state.h h_t

A value's shape is written in axis letters, for one sequence and one time step. Broadcasting follows NumPy: shapes align at
their last axes, and an axis of 1 stretches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

Shape = tuple[str, ...]
"""Axes of a value: letters ("H"), products of letters ("N*S") or whole numbers ("1")."""

Attribute = int | float | bool | str | Shape | tuple[int, ...]

LEAVES = ("param", "x", "state", "input", "saved", "grad")
"""The operations that read instead of computing.

A traced step has param, x and state. Passes add: input, a value that needs no state and was computed for all steps before the
loop; saved, a value of the forward step that the backward step reads; grad, the derivative that the backward step receives.
"""

TRUTH = frozenset(("less", "less_equal", "equal", "not", "and", "or"))
"""Operations that give truth values, which are made where they are read: no memory holds them."""


def axis_size(axis: str, sizes: Mapping[str, int]) -> int:
    """Elements along one axis: axis_size("N*S", {"N": 3, "S": 2}) is 6."""
    return prod(int(part) if part.isdigit() else sizes[part] for part in axis.split("*"))


def shape_sizes(shape: Shape, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """Elements along each axis."""
    return tuple(axis_size(axis, sizes) for axis in shape)


@dataclass(frozen=True, slots=True)
class Node:
    """One value: its name, the operation that makes it, what it reads, and its shape.

    Args:
        name: unique in its graph; the step's own variable name where it has one.
        op: a row of `carrousel.engine.ops.OPS`, or one of LEAVES.
        args: names of earlier nodes.
        shape: axes.
        attributes: static settings of the operation, such as ("axis", 0).
    """

    name: str
    op: str
    args: tuple[str, ...]
    shape: Shape
    attributes: tuple[tuple[str, Attribute], ...] = ()

    def __str__(self) -> str:
        words = [self.op, *self.args, *(f"{key}={_attribute_text(value)}" for key, value in self.attributes)]
        return f"{self.name}: {' '.join(self.shape) or '()'} = {' '.join(words)}"

    @property
    def settings(self) -> dict[str, Attribute]:
        """The attributes by name."""
        return dict(self.attributes)


@dataclass(frozen=True)
class Graph:
    """A whole step.

    Args:
        name: of the cell.
        nodes: in an order in which every node comes after what it reads.
        outputs: (role, value) pairs; roles of a forward step are "output" and "state.<field>", in the State's order.
        sizes: axis letter -> elements, as traced.
    """

    name: str
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str, str], ...]
    sizes: Mapping[str, int]

    def __str__(self) -> str:
        sizes = ", ".join(f"{letter}={size}" for letter, size in self.sizes.items())
        returned = ", ".join(f"{role} {name}" for role, name in self.outputs)
        return "\n".join([f"{self.name}({sizes})", *(f"  {node}" for node in self.nodes), f"  -> {returned}"])

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def leaves(self, op: str) -> Iterator[Node]:
        """The inputs of one kind: "param", "x" or "state", in declaration order."""
        return (node for node in self.nodes if node.op == op)

    @property
    def computed(self) -> Iterator[Node]:
        """The nodes that are not inputs."""
        return (node for node in self.nodes if node.op not in LEAVES)

    def elements(self, name: str) -> tuple[int, ...]:
        """The shape of a value in elements."""
        return shape_sizes(self[name].shape, self.sizes)

    def with_nodes(self, nodes: tuple[Node, ...]) -> "Graph":
        """The same graph with other nodes."""
        return replace(self, nodes=nodes)


def without_dead(nodes: Sequence[Node], outputs: tuple[tuple[str, str], ...]) -> tuple[Node, ...]:
    """The nodes that some output reads, and all inputs of the step."""
    needed = {name for _, name in outputs}
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.args)
    return tuple(node for node in nodes if node.name in needed or node.op in LEAVES)


def _attribute_text(value: Attribute) -> str:
    if isinstance(value, tuple):
        return f"({' '.join(str(part) for part in value)})"
    return f"{value:g}" if isinstance(value, float) else str(value)
