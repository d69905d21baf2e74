"""From which numbers each number of a step comes, and over how many transitions: a step's graph, element by element.

A transition is what one layer of a network does: an affine map (a product with a parameter) and then a squashing function.
A path through a step is in one of four modes: whether it has made a transition in this step, and whether it is armed, that
is, has passed an affine map since its last squashing function. A squashing function on an armed path completes a transition;
sums, gates (products of two values) and squashing functions on a path that is not armed add nothing to its length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from carrousel.engine.graph import Graph, Node

Array = np.ndarray[Any, np.dtype[np.float64]]
"""Lengths: (elements of the value ..., mode, source)."""

Bools = np.ndarray[Any, np.dtype[np.bool_]]

NUM_MODES = 4  # 2 · (has made a transition) + (is armed)
SQUASHING = frozenset(("tanh", "sigmoid", "relu", "softplus", "exp", "sin", "cos", "maximum", "minimum", "where"))
REDUCTIONS = frozenset(("sum", "max"))
_AXIS_COUNT_BEHIND = 2


@dataclass(frozen=True, eq=False)
class Paths:
    """The longest or the shortest path from every source to every value of one step.

    Sources are, in this order: the elements of the state before the step, not armed; the same, armed; the elements of x_t.

    Args:
        graph: one step.
        is_longest: longest paths; shortest otherwise. Where there is no path the length is -∞, or ∞.
        carriers: elements of the state whose carries are cut: paths from them to the new value of one of them that make no
            transition are left out, and so is everything behind.
    """

    graph: Graph
    is_longest: bool = True
    carriers: Bools | None = None

    @property
    def none(self) -> float:
        """The length where there is no path."""
        return -np.inf if self.is_longest else np.inf

    @cached_property
    def state_sizes(self) -> tuple[int, ...]:
        """Elements of each state field."""
        return tuple(int(np.prod(self.graph.elements(leaf.name))) for leaf in self.graph.leaves("state"))

    @property
    def num_states(self) -> int:
        """Elements of the whole state."""
        return sum(self.state_sizes)

    @cached_property
    def num_inputs(self) -> int:
        """Elements of x_t."""
        return sum(int(np.prod(self.graph.elements(leaf.name))) for leaf in self.graph.leaves("x"))

    @cached_property
    def values(self) -> dict[str, Array | None]:
        """Lengths for every value of the step; None where it depends on no source."""
        found: dict[str, Array | None] = {}
        offsets = {"state": 0, "x": 2 * self.num_states}
        for node in self.graph.nodes:
            if node.op in offsets:
                found[node.name] = self._leaf(node, offsets[node.op])
                offsets[node.op] += int(np.prod(self.graph.elements(node.name)))
            else:
                found[node.name] = self._computed(node, [found[arg] for arg in node.args])
            self._cut(node.name, found[node.name])
        return found

    def _cut(self, name: str, value: Array | None) -> None:
        """Leave out, in place, what reaches the new value of a carrier from a carrier without a transition."""
        if self.carriers is None or value is None:
            return
        offset = 0
        made = [made for role, made in self.graph.outputs if role.startswith("state.")]
        for size, output in zip(self.state_sizes, made, strict=True):
            if output == name:
                into = self.carriers[offset : offset + size]
                lengths = value.reshape(size, NUM_MODES, self._num_sources)
                sources = np.concatenate([np.tile(self.carriers, 2), np.zeros(self.num_inputs, dtype=bool)])
                for element in np.flatnonzero(into):
                    lengths[element, :2, sources] = self.none
            offset += size

    def next_states(self) -> Array:
        """Lengths to every element of the state after the step: (elements, mode, source)."""
        names = [name for role, name in self.graph.outputs if role.startswith("state.")]
        return np.concatenate([self.flat(name) for name in names])

    def outputs(self) -> Array:
        """Lengths to every element of what the step puts out: (elements, mode, source)."""
        return self.flat(dict(self.graph.outputs)["output"])

    def flat(self, name: str) -> Array:
        """Lengths to every element of one value, its axes joined: (elements, mode, source)."""
        value = self.values[name]
        size = int(np.prod(self.graph.elements(name)))
        if value is None:
            return np.full((size, NUM_MODES, self._num_sources), self.none)
        return value.reshape(size, NUM_MODES, self._num_sources)

    @property
    def _num_sources(self) -> int:
        return 2 * self.num_states + self.num_inputs

    def _leaf(self, node: Node, offset: int) -> Array:
        elements = self.graph.elements(node.name)
        size = int(np.prod(elements))
        value = np.full((size, NUM_MODES, self._num_sources), self.none)
        at = np.arange(size)
        if node.op == "x":
            value[at, 0, offset + at] = 0
        else:
            value[at, 0, offset + at] = 0
            value[at, 1, self.num_states + offset + at] = 0
        return value.reshape(*elements, NUM_MODES, self._num_sources)

    def _computed(self, node: Node, arguments: Sequence[Array | None]) -> Array | None:
        known = [argument for argument in arguments if argument is not None]
        if not known:
            return None
        elements = self.graph.elements(node.name)
        if node.op in ("matvec", "products"):
            return self._products(node, arguments, elements)
        if node.op == "concatenate":
            return self._concatenated(node, arguments)
        if node.op in _MOVES:
            return _MOVES[node.op](known[0], node.settings, elements, self.none)
        if node.op in REDUCTIONS:
            return self._best(known[0], cast(int, node.settings["axis"]))
        value = self._picked(known, elements)
        if node.op in ("mul", "div") and any(self._is_weight(arg) for arg in node.args):
            return self._armed(value)
        return self._squashed(value) if node.op in SQUASHING else value

    def _picked(self, values: Sequence[Array], elements: tuple[int, ...]) -> Array:
        """The best of several values, broadcast against each other."""
        result = np.full((*elements, NUM_MODES, self._num_sources), self.none)
        for value in values:
            missing = len(elements) + _AXIS_COUNT_BEHIND - value.ndim
            result = self._pick(result, value.reshape(*(1,) * missing, *value.shape))
        return result

    def _products(self, node: Node, arguments: Sequence[Array | None], elements: tuple[int, ...]) -> Array:
        turned = node.settings.get("transposed", (0,) * (len(arguments) // 2))
        flags = turned if isinstance(turned, tuple) else (turned,)
        terms: list[Array] = []
        for k, (matrix, vector) in enumerate(zip(arguments[::2], arguments[1::2], strict=True)):
            is_learned = self._is_weight(node.args[2 * k]) or self._is_weight(node.args[2 * k + 1])
            parts: list[Array] = []
            if matrix is not None:
                axis = -2 if flags[k] else -1
                parts.append(self._best(matrix, axis - _AXIS_COUNT_BEHIND, keeps_axis=False))
            if vector is not None:
                parts.append(self._best(vector, -1 - _AXIS_COUNT_BEHIND))
            if parts:
                met = self._picked(parts, elements)
                terms.append(self._armed(met) if is_learned else met)
        return self._picked(terms, elements)

    def _concatenated(self, node: Node, arguments: Sequence[Array | None]) -> Array:
        filled = [
            np.full((*self.graph.elements(name), NUM_MODES, self._num_sources), self.none) if value is None else value
            for name, value in zip(node.args, arguments, strict=True)
        ]
        return np.concatenate(filled, axis=cast(int, node.settings["axis"]))

    def _armed(self, value: Array) -> Array:
        result = np.full_like(value, self.none)
        for mode in range(NUM_MODES):
            result[..., mode | 1, :] = self._pick(result[..., mode | 1, :], value[..., mode, :])
        return result

    def _squashed(self, value: Array) -> Array:
        result = np.full_like(value, self.none)
        result[..., 0, :] = value[..., 0, :]
        made = self._pick(value[..., 1, :], value[..., 3, :]) + 1
        result[..., 2, :] = self._pick(value[..., 2, :], made)
        return result

    def _pick(self, a: Array, b: Array) -> Array:
        return np.maximum(a, b) if self.is_longest else np.minimum(a, b)

    def _best(self, value: Array, axis: int, *, keeps_axis: bool = True) -> Array:
        return value.max(axis, keepdims=keeps_axis) if self.is_longest else value.min(axis, keepdims=keeps_axis)

    def _is_weight(self, name: str) -> bool:
        return name in self._weights

    @cached_property
    def _weights(self) -> frozenset[str]:
        """Values that come from parameters alone."""
        found: set[str] = set()
        plain: set[str] = set()
        for node in self.graph.nodes:
            if node.op == "constant":
                plain.add(node.name)
            elif node.op == "param" or (node.args and all(arg in found or arg in plain for arg in node.args)):
                (plain if node.args and all(arg in plain for arg in node.args) else found).add(node.name)
        return frozenset(found)


def any_along(values: Bools, axis: int) -> Bools:
    """Whether any is true along one axis, which goes."""
    return cast(Bools, np.any(values, axis=axis))


def _reshaped(value: Array, _settings: Any, elements: tuple[int, ...], _none: float) -> Array:
    return value.reshape(*elements, *value.shape[-2:])


def _broadcast(value: Array, _settings: Any, elements: tuple[int, ...], _none: float) -> Array:
    missing = len(elements) + _AXIS_COUNT_BEHIND - value.ndim
    return np.broadcast_to(value.reshape(*(1,) * missing, *value.shape), (*elements, *value.shape[-2:]))


def _permuted(value: Array, settings: Any, elements: tuple[int, ...], _none: float) -> Array:
    return value.transpose(*settings["order"], len(elements), len(elements) + 1)


def _sliced(value: Array, settings: Any, _elements: tuple[int, ...], _none: float) -> Array:
    kept = list(range(settings["start"], settings["stop"]))
    return np.take(value, kept, axis=settings["axis"])


def _padded(value: Array, settings: Any, _elements: tuple[int, ...], none: float) -> Array:
    edges = [(0, 0)] * value.ndim
    edges[settings["axis"]] = (settings["before"], settings["after"])
    return np.pad(value, edges, constant_values=none)


_MOVES = {
    "reshape": _reshaped,
    "broadcast": _broadcast,
    "permute": _permuted,
    "slice": _sliced,
    "pad": _padded,
}
