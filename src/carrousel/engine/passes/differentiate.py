"""The derivative of one step, as a graph of the same operations."""

from itertools import pairwise

from carrousel.engine.derivatives import PREFIX, RULES, Terms
from carrousel.engine.graph import LEAVES, Graph, Node, Shape, axis_size


def differentiate(graph: Graph) -> Graph:
    """The backward step: derivatives of output and next state in, derivatives of inputs, state and parameters out.

    Needs: a loop (`hoist_inputs`) with broadcasts spelled out. Gives: a graph with leaves `d/output` and `d/<field>/next`
    (grad), values of the forward step under their own names (saved) and parameters; outputs `input.<value>`,
    `state.<field>`, `param.<name>` (one term a step, still to be summed over time and batch) and, for each matrix,
    `weight.<matrix>@<vector>`, the derivative of the product it made: the matrix's own derivative is that, times the vector, summed
    over all steps, which `run` does in one product after the loop.
    """
    return _Derivative(graph).graph()


NEXT = "/next"
"""How the derivative of a state after the step is named."""

OUTPUT = f"{PREFIX}output"
"""The derivative of the output."""


class _Derivative(Terms):
    """Goes through the forward step backwards and adds up what is collected for each value."""

    def graph(self) -> Graph:
        for role, name in self.forward.outputs:
            leaf = OUTPUT if role == "output" else f"{PREFIX}{role.removeprefix('state.')}{NEXT}"
            self.nodes[leaf] = Node(leaf, "grad", (), self.forward[name].shape)
            self.terms.setdefault(name, []).append(leaf)
        for node in reversed(self.forward.nodes):
            if node.op in LEAVES or node.op == "constant":
                continue
            derivative = self.total(node.name)
            if derivative is not None and node.op in RULES:
                RULES[node.op](self, node, derivative)
        outputs = [
            (f"{node.op}.{self._field(node)}", self._total_or_zero(node))
            for node in self.forward.nodes
            if node.op in ("state", "input")
        ]
        for node in self.forward.leaves("param"):
            outputs += [(f"param.{node.name}", total) for total in self._totals_by_shape(node.name)]
        return Graph(
            f"{self.forward.name}.backward", tuple(self.nodes.values()), (*outputs, *self.weights), self.forward.sizes
        )

    def _field(self, node: Node) -> str:
        if node.op == "input":
            return node.name
        fields = [role.removeprefix("state.") for role, _ in self.forward.outputs if role.startswith("state.")]
        return fields[[leaf.name for leaf in self.forward.leaves("state")].index(node.name)]

    def _total_or_zero(self, node: Node) -> str:
        """The derivative of a leaf; where nothing depends on it, a zero of its shape."""
        total = self.total(node.name)
        if total is not None:
            return total
        like = self.read(node.name)
        never = self.pointwise("less", like, like)
        return self.pointwise("where", never, like, self.constant(0.0))

    def _totals_by_shape(self, name: str) -> list[str]:
        """The terms of a parameter, added where they have one shape; `run` sums the rest over what they stretched."""
        by_shape: dict[Shape, str] = {}
        for term in self.terms.get(name, []):
            shape = self.nodes[term].shape
            by_shape[shape] = self.emit("add", [by_shape[shape], term], shape, {}) if shape in by_shape else term
        return list(by_shape.values())

    def total(self, name: str) -> str | None:
        """The sum of all terms collected for a value, as one node; None when nothing depends on it."""
        terms = list(self.terms.get(name, []))
        products = self.products.get(name, [])
        if products:
            args = [arg for matrix, derivative, _ in products for arg in (self.read(matrix), derivative)]
            turned = tuple(is_turned for _, _, is_turned in products)
            terms.append(
                self.emit("products", args, self.forward[name].shape, {"transposed": turned}, f"{PREFIX}{name}.r")
            )
        if name in self.slices:
            terms += self._put_together(name)
        if not terms:
            return None
        total = terms[0]
        for k, term in enumerate(terms[1:], start=2):
            last = k == len(terms)
            total = self.emit("add", [total, term], self.forward[name].shape, {}, f"{PREFIX}{name}" if last else "")
        return total

    def _put_together(self, name: str) -> list[str]:
        """The derivatives of slices as terms of the whole: side by side where they do not overlap, or one term for each."""
        node, sizes = self.forward[name], self.forward.sizes
        terms: list[str] = []
        for axis in sorted({axis for axis, *_ in self.slices[name]}):
            parts = sorted((start, stop, g) for a, start, stop, g in self.slices[name] if a == axis)
            size = axis_size(node.shape[axis], sizes)
            if all(before[1] <= after[0] for before, after in pairwise(parts)):
                terms.append(self._side_by_side(node, axis, size, parts))
            else:
                for start, stop, g in parts:
                    settings = {"axis": axis, "before": start, "after": size - stop}
                    terms.append(self.emit("pad", [g], node.shape, settings))
        return terms

    def _side_by_side(self, node: Node, axis: int, size: int, parts: list[tuple[int, int, str]]) -> str:
        pieces: list[str] = []
        end = 0
        for start, stop, g in [*parts, (size, size, "")]:
            if end < start:
                shape: Shape = (*node.shape[:axis], str(start - end), *node.shape[axis + 1 :])
                pieces.append(self.emit("broadcast", [self.constant(0.0)], shape, {"shape": shape}))
            pieces += [g] * (stop > start)
            end = stop
        return self.emit("concatenate", pieces, node.shape, {"axis": axis}) if len(pieces) > 1 else pieces[0]
