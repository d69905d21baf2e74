"""The derivative of one step, as a graph of the same operations."""

from collections.abc import Callable, Mapping, Sequence

from carrousel.engine.graph import LEAVES, Attribute, Graph, Node, Shape, axis_size
from carrousel.engine.ops import OPS


def differentiate(graph: Graph) -> Graph:
    """The backward step: derivatives of output and next state in, derivatives of inputs, state and parameters out.

    Needs: a loop (`hoist_inputs`) with broadcasts spelled out. Gives: a graph with leaves `d/output` and `d/<field>/next`
    (grad), values of the forward step under their own names (saved) and parameters; outputs `input.<value>`,
    `state.<field>`, `param.<name>` (one term a step, still to be summed over time and batch) and, for each matrix,
    `weight.<matrix>.<vector>`, the derivative of the product it made: the matrix's own derivative is that, times the vector, summed
    over all steps, which `run` does in one product after the loop.
    """
    return _Derivative(graph).graph()


PREFIX, NEXT = "d/", "/next"
"""Derivatives are named with a stroke, which no variable of a step can have."""

OUTPUT = f"{PREFIX}output"
"""The derivative of the output."""


class _Derivative:
    """Collects, for every value of the forward step, the terms of its derivative."""

    def __init__(self, forward: Graph) -> None:
        self.forward = forward
        self.nodes: dict[str, Node] = {}
        self.terms: dict[str, list[str]] = {}
        self.products: dict[str, list[tuple[str, str, int]]] = {}  # value -> (matrix, derivative, is turned over)
        self.weights: list[tuple[str, str]] = []

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
        if not terms:
            return None
        total = terms[0]
        for k, term in enumerate(terms[1:], start=2):
            last = k == len(terms)
            total = self.emit("add", [total, term], self.forward[name].shape, {}, f"{PREFIX}{name}" if last else "")
        return total

    def add(self, name: str, term: str) -> None:
        """Collect one term of a value's derivative; parameters keep the term's own shape until `run` sums them."""
        self.terms.setdefault(name, []).append(term)

    def read(self, name: str) -> str:
        """A value of the forward step, as a leaf."""
        if name not in self.nodes:
            node = self.forward[name]
            self.nodes[name] = node if node.op in ("param", "constant") else Node(name, "saved", (), node.shape)
        return name

    def constant(self, value: float) -> str:
        return self.emit("constant", [], (), {"value": value})

    def emit(
        self, op: str, args: Sequence[str], shape: Shape, settings: Mapping[str, Attribute], name: str = ""
    ) -> str:
        name = name if name and name not in self.nodes else f"{PREFIX}{len(self.nodes)}"
        self.nodes[name] = Node(name, op, tuple(args), shape, tuple(settings.items()))
        return name

    def pointwise(self, op: str, *args: str) -> str:
        """An elementwise node; its shape is that of its widest argument."""
        shape = OPS[op].shape([self.nodes[arg].shape for arg in args], {}, self.forward.sizes)
        return self.emit(op, args, shape, {})


Rule = Callable[[_Derivative, Node, str], None]


def _products(d: _Derivative, node: Node, g: str) -> None:
    turned = node.settings["transposed"]
    assert isinstance(turned, tuple)
    for matrix, vector, is_turned in zip(node.args[::2], node.args[1::2], turned, strict=True):
        if d.forward[vector].op != "param":
            d.products.setdefault(vector, []).append((matrix, g, 1 - int(is_turned)))
        d.weights.append((f"weight.{matrix}.{d.read(d.forward.storage(vector))}", g))


def _add(d: _Derivative, node: Node, g: str) -> None:
    for arg in node.args:
        d.add(arg, g)


def _sub(d: _Derivative, node: Node, g: str) -> None:
    d.add(node.args[0], g)
    if d.forward[node.args[1]].op != "constant":
        d.add(node.args[1], d.pointwise("neg", g))


def _mul(d: _Derivative, node: Node, g: str) -> None:
    for this, other in (node.args, node.args[::-1]):
        if d.forward[this].op != "constant":
            d.add(this, d.pointwise("mul", g, d.read(other)))


def _div(d: _Derivative, node: Node, g: str) -> None:
    a, b = node.args
    part = d.pointwise("div", g, d.read(b))
    d.add(a, part)
    if d.forward[b].op != "constant":
        d.add(b, d.pointwise("neg", d.pointwise("mul", part, d.read(node.name))))


def _neg(d: _Derivative, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("neg", g))


def _tanh(d: _Derivative, node: Node, g: str) -> None:
    y = d.read(node.name)
    slope = d.pointwise("sub", d.constant(1.0), d.pointwise("mul", y, y))
    d.add(node.args[0], d.pointwise("mul", g, slope))


def _sigmoid(d: _Derivative, node: Node, g: str) -> None:
    y = d.read(node.name)
    slope = d.pointwise("mul", y, d.pointwise("sub", d.constant(1.0), y))
    d.add(node.args[0], d.pointwise("mul", g, slope))


def _exp(d: _Derivative, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("mul", g, d.read(node.name)))


def _sqrt(d: _Derivative, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("div", d.pointwise("mul", g, d.constant(0.5)), d.read(node.name)))


def _relu(d: _Derivative, node: Node, g: str) -> None:
    is_on = d.pointwise("less", d.constant(0.0), d.read(node.name))
    d.add(node.args[0], d.pointwise("where", is_on, g, d.constant(0.0)))


def _abs(d: _Derivative, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("mul", g, d.pointwise("sign", d.read(node.args[0]))))


def _where(d: _Derivative, node: Node, g: str) -> None:
    condition, a, b = node.args
    zero = d.constant(0.0)
    if d.forward[a].op != "constant":
        d.add(a, d.pointwise("where", d.read(condition), g, zero))
    if d.forward[b].op != "constant":
        d.add(b, d.pointwise("where", d.read(condition), zero, g))


def _reshape(d: _Derivative, node: Node, g: str) -> None:
    shape = d.forward[node.args[0]].shape
    d.add(node.args[0], d.emit("reshape", [g], shape, {"shape": shape}))


def _broadcast(d: _Derivative, node: Node, g: str) -> None:
    source = d.forward[node.args[0]]
    offset = len(node.shape) - len(source.shape)
    shape = list(node.shape)
    for axis in range(len(node.shape)):
        own = source.shape[axis - offset] if axis >= offset else "1"
        if axis_size(own, d.forward.sizes) == 1 and axis_size(shape[axis], d.forward.sizes) != 1:
            shape[axis] = "1"
            g = d.emit("sum", [g], tuple(shape), {"axis": axis})
    if tuple(shape) != source.shape:
        g = d.emit("reshape", [g], source.shape, {"shape": source.shape})
    d.add(source.name, g)


def _sum(d: _Derivative, node: Node, g: str) -> None:
    shape = d.forward[node.args[0]].shape
    d.add(node.args[0], d.emit("broadcast", [g], shape, {"shape": shape}))


RULES: dict[str, Rule] = {
    "products": _products,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "exp": _exp,
    "sqrt": _sqrt,
    "relu": _relu,
    "abs": _abs,
    "where": _where,
    "reshape": _reshape,
    "broadcast": _broadcast,
    "sum": _sum,
}
"""Operation -> (collector, forward node, derivative of its value): adds the terms of its arguments' derivatives."""

WITHOUT_DERIVATIVE = frozenset(("stop_gradient", "less", "less_equal", "equal", "not", "and", "or", "sign"))
"""Operations through which no derivative flows."""
