"""The derivative of each operation, and what it is collected in."""

from collections.abc import Callable, Mapping, Sequence

from carrousel.engine.graph import Attribute, Graph, Node, Shape, axis_size
from carrousel.engine.ops import OPS
from carrousel.engine.views import view

PREFIX = "d/"
"""Derivatives are named with a stroke, which no variable of a step can have."""


def met(role: str) -> tuple[str, str]:
    """The matrix and the vector of an output `weight.<matrix>@<vector>`."""
    matrix, _, vector = role.removeprefix("weight.").partition("@")
    return matrix, vector


class Terms:
    """The backward step while it grows: its nodes, and the terms found for each value of the forward step.

    Args:
        forward: the loop that is differentiated.
    """

    def __init__(self, forward: Graph) -> None:
        self.forward = forward
        self.nodes: dict[str, Node] = {}
        self.terms: dict[str, list[str]] = {}
        self.products: dict[str, list[tuple[str, str, int]]] = {}  # value -> (matrix, derivative, is turned over)
        self.slices: dict[str, list[tuple[int, int, int, str]]] = {}  # value -> (axis, start, stop, derivative)
        self.weights: list[tuple[str, str]] = []

    def add(self, name: str, term: str) -> None:
        """Collect one term of a value's derivative; parameters keep the term's own shape until `run` sums them."""
        node = self.forward[name]
        if node.op != "param" and len(self.nodes[term].shape) != len(node.shape):  # axes of 1 more or less
            term = self.emit("reshape", [term], node.shape, {"shape": node.shape})
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
        """Add a node of the backward step and give its name."""
        name = name if name and name not in self.nodes else f"{PREFIX}{len(self.nodes)}"
        self.nodes[name] = Node(name, op, tuple(args), shape, tuple(settings.items()))
        return name

    def pointwise(self, op: str, *args: str) -> str:
        """An elementwise node; its shape is that of its widest argument."""
        shape = OPS[op].shape([self.nodes[arg].shape for arg in args], {}, self.forward.sizes)
        return self.emit(op, args, shape, {})

    def is_constant(self, name: str) -> bool:
        """Whether nothing can change the value: it has no derivative to collect."""
        return self.forward[name].op == "constant"


Rule = Callable[[Terms, Node, str], None]


def _products(d: Terms, node: Node, g: str) -> None:
    turned = node.settings["transposed"]
    assert isinstance(turned, tuple)
    for matrix, vector, is_turned in zip(node.args[::2], node.args[1::2], turned, strict=True):
        if d.forward[vector].op != "param":
            d.products.setdefault(vector, []).append((matrix, g, 1 - int(is_turned)))
        d.weights.append((f"weight.{matrix}@{d.read(view(d.forward, vector).source)}", g))


def _add(d: Terms, node: Node, g: str) -> None:
    for arg in node.args:
        d.add(arg, g)


def _sub(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], g)
    if not d.is_constant(node.args[1]):
        d.add(node.args[1], d.pointwise("neg", g))


def _mul(d: Terms, node: Node, g: str) -> None:
    for this, other in (node.args, node.args[::-1]):
        if not d.is_constant(this):
            d.add(this, d.pointwise("mul", g, d.read(other)))


def _div(d: Terms, node: Node, g: str) -> None:
    a, b = node.args
    part = d.pointwise("div", g, d.read(b))
    d.add(a, part)
    if not d.is_constant(b):
        d.add(b, d.pointwise("neg", d.pointwise("mul", part, d.read(node.name))))


def _neg(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("neg", g))


def _tanh(d: Terms, node: Node, g: str) -> None:
    y = d.read(node.name)
    slope = d.pointwise("sub", d.constant(1.0), d.pointwise("mul", y, y))
    d.add(node.args[0], d.pointwise("mul", g, slope))


def _sigmoid(d: Terms, node: Node, g: str) -> None:
    y = d.read(node.name)
    slope = d.pointwise("mul", y, d.pointwise("sub", d.constant(1.0), y))
    d.add(node.args[0], d.pointwise("mul", g, slope))


def _exp(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("mul", g, d.read(node.name)))


def _sqrt(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("div", d.pointwise("mul", g, d.constant(0.5)), d.read(node.name)))


def _relu(d: Terms, node: Node, g: str) -> None:
    is_on = d.pointwise("less", d.constant(0.0), d.read(node.name))
    d.add(node.args[0], d.pointwise("where", is_on, g, d.constant(0.0)))


def _abs(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("mul", g, d.pointwise("sign", d.read(node.args[0]))))


def _where(d: Terms, node: Node, g: str) -> None:
    condition, a, b = node.args
    zero = d.constant(0.0)
    if not d.is_constant(a):
        d.add(a, d.pointwise("where", d.read(condition), g, zero))
    if not d.is_constant(b):
        d.add(b, d.pointwise("where", d.read(condition), zero, g))


def _reshape(d: Terms, node: Node, g: str) -> None:
    shape = d.forward[node.args[0]].shape
    d.add(node.args[0], d.emit("reshape", [g], shape, {"shape": shape}))


def _broadcast(d: Terms, node: Node, g: str) -> None:
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


def _sum(d: Terms, node: Node, g: str) -> None:
    shape = d.forward[node.args[0]].shape
    d.add(node.args[0], d.emit("broadcast", [g], shape, {"shape": shape}))


def _log(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("div", g, d.read(node.args[0])))


def _softplus(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("mul", g, d.pointwise("sigmoid", d.read(node.args[0]))))


def _sin(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("mul", g, d.pointwise("cos", d.read(node.args[0]))))


def _cos(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], d.pointwise("neg", d.pointwise("mul", g, d.pointwise("sin", d.read(node.args[0])))))


def _pow(d: Terms, node: Node, g: str) -> None:
    """By the base a: b a^(b-1), 0 for b = 0; by the exponent: a^b log a, 0 for a = 0 and b >= 0."""
    a, b = node.args
    zero = d.constant(0.0)
    if not d.is_constant(a):
        lower = d.pointwise("pow", d.read(a), d.pointwise("sub", d.read(b), d.constant(1.0)))
        slope = d.pointwise("where", d.pointwise("equal", d.read(b), zero), zero, d.pointwise("mul", d.read(b), lower))
        d.add(a, d.pointwise("mul", g, slope))
    if not d.is_constant(b):
        slope = d.pointwise("mul", d.read(node.name), d.pointwise("log", d.read(a)))
        is_flat = d.pointwise(
            "and", d.pointwise("equal", d.read(a), zero), d.pointwise("less_equal", zero, d.read(b))
        )  # fmt: skip
        d.add(b, d.pointwise("mul", g, d.pointwise("where", is_flat, zero, slope)))


def _extreme(is_taken: Callable[[Terms, str, str], str]) -> Rule:
    """maximum and minimum: to the argument that is taken; half to each where they are equal, as torch does."""

    def rule(d: Terms, node: Node, g: str) -> None:
        half = d.pointwise("mul", g, d.constant(0.5))
        for this, other in (node.args, node.args[::-1]):
            if not d.is_constant(this):
                is_equal = d.pointwise("equal", d.read(this), d.read(other))
                shared = d.pointwise("where", is_equal, half, g)
                is_other = is_taken(d, this, other)
                d.add(this, d.pointwise("where", is_other, d.constant(0.0), shared))

    return rule


def _max(d: Terms, node: Node, g: str) -> None:
    """In equal parts to the elements that are the largest, as torch does."""
    (a,) = node.args
    shape = d.forward[a].shape
    top = d.emit("broadcast", [d.read(node.name)], shape, {"shape": shape})
    is_top = d.pointwise("equal", d.read(a), top)
    ones = d.pointwise("where", is_top, d.constant(1.0), d.constant(0.0))
    count = d.emit("sum", [ones], node.shape, node.settings)
    part = d.emit("broadcast", [d.pointwise("div", g, count)], shape, {"shape": shape})
    d.add(a, d.pointwise("where", is_top, part, d.constant(0.0)))


def _slice(d: Terms, node: Node, g: str) -> None:
    axis, start, stop = (node.settings[key] for key in ("axis", "start", "stop"))
    assert isinstance(axis, int)
    assert isinstance(start, int)
    assert isinstance(stop, int)
    d.slices.setdefault(node.args[0], []).append((axis, start, stop, g))


def _concatenate(d: Terms, node: Node, g: str) -> None:
    axis, start = node.settings["axis"], 0
    assert isinstance(axis, int)
    for arg in node.args:
        shape = d.forward[arg].shape
        stop = start + axis_size(shape[axis], d.forward.sizes)
        if not d.is_constant(arg):
            d.add(arg, d.emit("slice", [g], shape, {"axis": axis, "start": start, "stop": stop}))
        start = stop


def _permute(d: Terms, node: Node, g: str) -> None:
    order = node.settings["order"]
    assert isinstance(order, tuple)
    back = tuple(order.index(k) for k in range(len(order)))  # pyright: ignore[reportArgumentType]
    d.add(node.args[0], d.emit("permute", [g], d.forward[node.args[0]].shape, {"order": back}))


def _copy(d: Terms, node: Node, g: str) -> None:
    d.add(node.args[0], g)


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
    "log": _log,
    "softplus": _softplus,
    "sin": _sin,
    "cos": _cos,
    "pow": _pow,
    "maximum": _extreme(lambda d, this, other: d.pointwise("less", d.read(this), d.read(other))),
    "minimum": _extreme(lambda d, this, other: d.pointwise("less", d.read(other), d.read(this))),
    "max": _max,
    "slice": _slice,
    "concatenate": _concatenate,
    "permute": _permute,
    "copy": _copy,
}
"""Operation -> (collector, forward node, derivative of its value): adds the terms of its arguments' derivatives."""

WITHOUT_DERIVATIVE = frozenset(("stop_gradient", "less", "less_equal", "equal", "not", "and", "or", "sign"))
"""Operations through which no derivative flows."""
