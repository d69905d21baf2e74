"""Which values of a step are affine maps: sums of products with parameters, and what they read."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from carrousel.analysis.lines import is_named
from carrousel.drawing.regions import moving_values
from carrousel.engine.graph import Graph

PASSED = frozenset(("reshape", "copy", "broadcast", "stop_gradient", "pad"))
"""Operations that a drawing does not show."""


@dataclass(frozen=True, eq=False)
class Terms:
    """The sums of a step, taken apart."""

    graph: Graph

    @cached_property
    def uses(self) -> Counter[str]:
        """How often each value is read or returned."""
        found = Counter(arg for node in self.graph.nodes for arg in node.args)
        found.update(name for _, name in self.graph.outputs)
        return found

    @cached_property
    def moving(self) -> set[str]:
        """The values that depend on the input or the state."""
        return moving_values(self.graph)

    def affine(self, name: str, *, is_strict: bool) -> tuple[list[str], tuple[str, ...], list[str]] | None:
        """The vectors that an affine map reads, its parameters, and the vectors that meet a matrix; None without weights.

        A strict one has matrices in every term; a loose one may also scale by parameters and add values as they are.
        """
        vectors: list[str] = []
        weights: list[str] = []
        by_matrix: list[str] = []
        num_weighted = 0
        name = self._unscaled(name)
        for term in self.summands(name):
            if term not in self.moving:
                weights += self.parameters(term)
            elif self.is_weighted(term) or (not is_strict and self._is_scaled(term)):
                vectors.append(self.vector(term))
                weights += self.weights(term)
                by_matrix += [vectors[-1]] if self.is_weighted(term) else []
                num_weighted += 1
            elif is_strict:
                return None
            else:
                vectors.append(term)
        return (vectors, tuple(dict.fromkeys(weights)), by_matrix) if num_weighted else None

    def _unscaled(self, name: str) -> str:
        """A value without the number that multiplies it."""
        node = self.graph[name]
        if node.op in ("mul", "div"):
            inner = [arg for arg in node.args if arg in self.moving]
            others = [arg for arg in node.args if arg not in self.moving]
            if len(inner) == 1 and self.is_inner(inner[0]) and self.number(others[0]):
                return self._unscaled(inner[0])
        return name

    def summands(self, name: str) -> list[str]:
        """The terms of a sum, sums inside it taken apart where nothing else reads them."""
        node = self.graph[name]
        is_view = node.op in PASSED and self.is_inner(node.args[0])
        is_difference = node.op == "sub" and (node.args[1] not in self.moving or self.is_weighted(node.args[1]))
        if not (node.op == "add" or is_difference or is_view):
            return [name]
        return [t for arg in node.args for t in (self.summands(arg) if self.is_inner(arg) else [arg])]

    def is_inner(self, name: str) -> bool:
        """Whether a value has no name and one reader."""
        return self.uses[name] == 1 and not is_named(name)

    def bare(self, name: str) -> str:
        """A value without the views round it that nothing else reads."""
        while self.graph[name].op in PASSED and self.is_inner(name):
            name = self.graph[name].args[0]
        return name

    def is_weighted(self, term: str) -> bool:
        """Whether a term is a matrix of parameters times something, used in this sum alone."""
        node = self.graph[self.bare(term)]
        if node.op == "matvec" and self.is_inner(term) | (node.name == term):
            return node.args[0] not in self.moving and node.args[1] in self.moving
        if node.op == "sum" and self.is_inner(node.args[0]):  # a row of weights times a vector
            return self._is_scaled(node.args[0]) and bool(self.weights(node.args[0]))
        return self._is_scaled(term) and self.is_weighted(self._scaled_value(term))

    def _is_scaled(self, term: str) -> bool:
        node = self.graph[self.bare(term)]
        if node.op != "mul" or not self.is_inner(term):
            return False
        return sum(arg in self.moving for arg in node.args) == 1

    def _scaled_value(self, term: str) -> str:
        return next(arg for arg in self.graph[self.bare(term)].args if arg in self.moving)

    def vector(self, term: str) -> str:
        """What the parameters of a weighted term multiply."""
        node = self.graph[self.bare(term)]
        if node.op == "matvec":
            return node.args[1]
        if node.op == "sum":
            return self.vector(node.args[0])
        inner = self._scaled_value(term)
        return self.vector(inner) if self.is_weighted(inner) else inner

    def weights(self, term: str) -> list[str]:
        """The parameters of a weighted term."""
        node = self.graph[self.bare(term)]
        if node.op == "matvec":
            return self.parameters(node.args[0])
        if node.op == "sum":
            return self.weights(node.args[0])
        inner = self._scaled_value(term)
        own = [p for arg in node.args if arg not in self.moving for p in self.parameters(arg)]
        return own + (self.weights(inner) if self.is_weighted(inner) else [])

    def matrix(self, weights: tuple[str, ...]) -> str:
        """The first parameter with more than one axis, or the first of all."""
        return next((name for name in weights if len(self.graph[name].shape) > 1), weights[0])

    def parameters(self, name: str) -> list[str]:
        """The parameters that a value comes from."""
        node = self.graph[name]
        if node.op == "param":
            return [name]
        return [found for arg in node.args for found in self.parameters(arg)]

    def number(self, name: str) -> str:
        """A constant as text; empty for anything else."""
        node = self.graph[name]
        while node.op in PASSED:
            node = self.graph[node.args[0]]
        return f"{cast(float, node.settings['value']):.3g}".replace("-", "−") if node.op == "constant" else ""
