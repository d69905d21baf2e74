"""From a cell's `step` to its Graph: run it once on tensors without data and write down every operation.

Named values take the names of the step's own local variables; the others are numbered v1, v2, ...
"""

import linecache
import sys
from collections.abc import Callable, Mapping, Sequence
from inspect import signature, unwrap
from types import FrameType
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from carrousel.engine.graph import LEAVES, TRUTH, Attribute, Graph, Node, Shape, axis_size, shape_sizes
from carrousel.engine.ops import OPS
from carrousel.engine.spec import check
from carrousel.errors import TraceError

Axes = Mapping[str, Shape]


def trace(
    name: str,
    step: Callable[..., tuple[Tensor, Any]],
    params: type[Any],
    param_axes: Axes,
    state: type[Any],
    state_axes: Axes,
    sizes: Mapping[str, int],
    noise_axes: Axes | None = None,
) -> Graph:
    """The graph of one time step of one sequence.

    Args:
        name: of the cell, for the graph and for errors.
        step: (params, x_t, state) -> (y_t, state).
        params: the NamedTuple class of the parameters; `param_axes` gives the axes of each field.
        state: the NamedTuple class of the state; `state_axes` likewise.
        sizes: axis letter -> elements.
        noise_axes: further arguments of the step -> their axes: random numbers, read as x_t is.

    Raises:
        TraceError: the step branches on a tensor, writes in place, draws random numbers, uses an operation that has no
            row in the table, or returns something else than (y_t, state).
    """
    recorder = _Recorder(name, unwrap(step), sizes)
    param_values = [recorder.leaf("param", field, axes) for field, axes in param_axes.items()]
    x_name = list(signature(unwrap(step)).parameters)[1]
    x = recorder.leaf("x", x_name, ("D",))
    state_values = [recorder.leaf("state", f"{field}_tm1", axes) for field, axes in state_axes.items()]
    noise = [recorder.leaf("x", name, axes) for name, axes in (noise_axes or {}).items()]
    with torch.no_grad(), recorder, _NamesFromLocals(recorder):
        result = step(params(*param_values), x, state(*state_values), *noise)
    output, next_state = _unpack(name, result, state, state_axes, sizes)
    roles = [("output", recorder.name_of(output))]
    roles += [(f"state.{field}", recorder.name_of(getattr(next_state, field))) for field in state_axes]
    return check(recorder.graph(roles))


def _unpack(name: str, result: Any, state: type[Any], axes: Axes, sizes: Mapping[str, int]) -> tuple[Tensor, Any]:
    pair: Any = result
    is_pair = isinstance(result, tuple) and len(cast("tuple[object, ...]", result)) == 2
    if not (is_pair and isinstance(pair[0], Tensor) and isinstance(pair[1], state)):
        raise TraceError(
            f"{name}: step returned {type(pair).__name__}, expected (y_t, {state.__name__}(...)). "
            "Return the output and the next state as a pair."
        )
    for field, letters in axes.items():
        got, expected = tuple(getattr(pair[1], field).shape), shape_sizes(letters, sizes)
        if got != expected:
            raise TraceError(
                f"{name}: step returns state {field} of shape {got}, expected ({' '.join(letters)}) = {expected}. "
                "Return every state field in its own shape."
            )
    return pair[0], pair[1]


class _Recorder(TorchDispatchMode):
    """Writes down a node for every tensor operation that runs under it."""

    def __init__(self, cell: str, step: Callable[..., object], sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.cell, self.code, self.sizes = cell, step.__code__, sizes  # pyright: ignore[reportFunctionMemberAccess]
        self.nodes: dict[str, Node] = {}
        self.names: dict[int, str] = {}
        self.given: dict[str, str] = {}  # value -> the step's variable name
        self._alive: list[Tensor] = []  # ids stay unique only while the tensors live

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # the guard that it stands for would import torch.compile's machinery, for seconds

    def leaf(self, op: str, name: str, axes: Shape) -> Tensor:
        tensor = torch.empty(shape_sizes(axes, self.sizes), device="meta")
        self.nodes[name] = Node(name, op, (), axes)
        return self.bind(tensor, name)

    def bind(self, tensor: Tensor, name: str) -> Tensor:
        self.names[id(tensor)] = name
        self._alive.append(tensor)
        return tensor

    def name_of(self, value: object) -> str:
        """The value's name; a plain number becomes a constant."""
        if isinstance(value, Tensor):
            if id(value) not in self.names:
                raise TraceError(
                    f"{self.cell}: {self._where()} uses a tensor that is neither a parameter, nor x_t, nor the state. "
                    "Make it a field of Params (initialised with is_fixed=True when it is a constant)."
                )
            return self.names[id(value)]
        return self.emit("constant", (), {"value": float(cast(float, value))}, ())

    def emit(self, op: str, args: Sequence[str], settings: Mapping[str, Attribute], shape: Shape | None = None) -> str:
        """Add a node and give its name."""
        if shape is None:
            shape = OPS[op].shape([self.nodes[arg].shape for arg in args], settings, self.sizes)
        name = f"v{len(self.nodes) + 1}"
        self.nodes[name] = Node(name, op, tuple(args), shape, tuple(settings.items()))
        return name

    def is_shared(self, name: str) -> bool:
        """Whether a value is made from parameters alone."""
        node = self.nodes[name]
        return node.op == "param" or (node.op not in LEAVES and all(self.is_shared(arg) for arg in node.args))

    def shape(self, name: str) -> Shape:
        return self.nodes[name].shape

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        operation = func.name().removeprefix("aten::").split(".")[0]
        rule = _RULES.get(operation)
        if rule is None:
            raise TraceError(self._refusal(operation))
        try:
            names = rule(self, *args, **(kwargs or {}))
        except ValueError as error:
            raise TraceError(f"{self.cell}: {self._where()}: {error}. Check the shapes of the parameters.") from None
        return [self._result(name) for name in names] if isinstance(names, list) else self._result(names)

    def _result(self, name: str) -> Tensor:
        """A tensor without data that stands for a node; its shape comes from the table, not from running the operation."""
        node = self.nodes[name]
        dtype = torch.bool if node.op in TRUTH else torch.get_default_dtype()
        return self.bind(torch.empty(shape_sizes(node.shape, self.sizes), dtype=dtype, device="meta"), name)

    def _where(self) -> str:
        frame: FrameType | None = sys._getframe()  # pyright: ignore[reportPrivateUsage]
        while frame is not None and frame.f_code is not self.code:
            frame = frame.f_back
        if frame is None:
            return "the step"
        file = frame.f_code.co_filename
        text = linecache.getline(file, frame.f_lineno).strip()
        return f"the step at {file.rpartition('/')[2]}:{frame.f_lineno} ({text})"

    def _refusal(self, operation: str) -> str:
        where = f"{self.cell}: {self._where()}"
        if operation in ("_local_scalar_dense", "is_nonzero", "item", "equal", "nonzero"):
            return f"{where} branches on a tensor, which has no value while tracing. Use torch.where."
        if operation.endswith("_") and not operation.startswith("_"):
            return (
                f"{where} writes in place ({operation}), expected a pure step. Use the form that returns a new tensor."
            )
        if operation.startswith(("rand", "bernoulli", "normal", "multinomial", "native_dropout")):
            return f"{where} draws random numbers ({operation}), expected a pure step. Take them as a fourth argument."
        return (
            f"{where} uses the operation {operation!r}, which has no row in the table. "
            "Write it with operations of carrousel.engine.ops."
        )

    def graph(self, roles: Sequence[tuple[str, str]]) -> Graph:
        """What was recorded, with the step's names, without what no output reads."""
        needed = {name for _, name in roles}
        for node in reversed(self.nodes.values()):
            if node.name in needed:
                needed.update(node.args)
        kept = [node for node in self.nodes.values() if node.name in needed or node.op in ("param", "x", "state")]
        final = self._final_names(kept)
        nodes = tuple(
            Node(final[n.name], n.op, tuple(final[arg] for arg in n.args), n.shape, n.attributes) for n in kept
        )
        used = {axis for node in nodes for part in node.shape for axis in part.split("*") if not axis.isdigit()}
        sizes = {letter: size for letter, size in self.sizes.items() if letter in used}
        return Graph(self.cell, nodes, tuple((role, final[name]) for role, name in roles), sizes)

    def _final_names(self, kept: Sequence[Node]) -> dict[str, str]:
        final: dict[str, str] = {}
        taken: dict[str, int] = {}
        number = 0
        for node in kept:
            wanted = self.given.get(node.name, "") if node.op not in ("param", "x", "state") else node.name
            if not wanted:
                number += 1
                wanted = f"v{number}"
            taken[wanted] = taken.get(wanted, 0) + 1
            final[node.name] = wanted if taken[wanted] == 1 else f"{wanted}.{taken[wanted]}"
        return final


class _NamesFromLocals:
    """While active, each new local variable of the step names the value it holds."""

    def __init__(self, recorder: _Recorder) -> None:
        self.recorder = recorder

    def __enter__(self) -> None:
        self.previous = sys.gettrace()
        sys.settrace(self._on_call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.previous)

    def _on_call(self, frame: FrameType, _event: str, _arg: object) -> Any:
        return self._on_line if frame.f_code is self.recorder.code else None

    def _on_line(self, frame: FrameType, _event: str, _arg: object) -> Any:
        for variable, value in frame.f_locals.items():
            if isinstance(value, Tensor) and id(value) in self.recorder.names:
                self.recorder.given.setdefault(self.recorder.names[id(value)], variable)
        return self._on_line


# One rule for each torch operation: (recorder, *its arguments) -> name of the node, or a list for several results.
Rule = Callable[..., "str | list[str]"]


def _elementwise(op: str) -> Rule:
    def rule(r: _Recorder, *args: object) -> str:
        return r.emit(op, [r.name_of(arg) for arg in args], {})

    return rule


def _scaled(op: str) -> Rule:
    """add and sub: torch multiplies the second argument by alpha."""

    def rule(r: _Recorder, a: object, b: object, alpha: float = 1) -> str:
        second = r.name_of(b)
        if alpha != 1:
            second = r.emit("mul", [second, r.name_of(alpha)], {})
        return r.emit(op, [r.name_of(a), second], {})

    return rule


def _reversed_sub(r: _Recorder, a: object, b: object, alpha: float = 1) -> str:
    first = r.name_of(a) if alpha == 1 else r.emit("mul", [r.name_of(a), r.name_of(alpha)], {})
    return r.emit("sub", [r.name_of(b), first], {})


def _swapped(op: str) -> Rule:
    def rule(r: _Recorder, a: object, b: object) -> str:
        return r.emit(op, [r.name_of(b), r.name_of(a)], {})

    return rule


def _same(r: _Recorder, a: object, *_: object, **__: object) -> str:
    """An operation that changes no value: another name for its argument would hide the first."""
    return r.emit("reshape", [r.name_of(a)], {"shape": r.shape(r.name_of(a))})


def _product(r: _Recorder, matrix: Tensor, vector: Tensor) -> str:
    return r.emit("matvec", [r.name_of(matrix), r.name_of(vector)], {})


def _dot(r: _Recorder, a: Tensor, b: Tensor) -> str:
    """A matrix of one row, made of parameters if one side is, times a vector."""
    row, vector = r.name_of(a), r.name_of(b)
    if r.is_shared(vector) and not r.is_shared(row):
        row, vector = vector, row
    matrix = _reshape(r, row, ("1", *r.shape(row)))
    return _reshape(r, r.emit("matvec", [matrix, vector], {}), ())


def _matrix_product(r: _Recorder, a: Tensor, b: Tensor) -> str:
    """mm and bmm as an outer broadcast when one side has a single column or row, a matvec otherwise."""
    left, right = r.name_of(a), r.name_of(b)
    batch = r.shape(left)[:-2]
    if b.shape[-1] == 1:
        column = _reshape(r, right, (*batch, r.shape(right)[-2]))
        rows = r.emit("matvec", [left, column], {})
        return _reshape(r, rows, (*r.shape(rows), "1"))
    if a.shape[-1] == 1:
        return r.emit("mul", [left, right], {})
    order = (*range(len(batch)), len(batch) + 1, len(batch))
    turned = r.emit("permute", [right], {"order": order})
    matrix = _reshape(r, turned, (*batch, "1", *r.shape(turned)[len(batch) :]))
    return r.emit("matvec", [matrix, left], {})


def _written_in_letters(r: _Recorder, name: str, target: Sequence[int]) -> Shape:
    """Write a target shape in the letters of the source: each target axis takes the letters that multiply to it."""
    letters = [letter for axis in r.shape(name) for letter in axis.split("*") if axis_size(letter, r.sizes) != 1]
    return tuple(_take_letters(letters, size, r.sizes) for size in target)


def _take_letters(letters: list[str], size: int, sizes: Mapping[str, int]) -> str:
    taken: list[str] = []
    product = 1
    while letters and product < size:
        taken.append(letters.pop(0))
        product *= axis_size(taken[-1], sizes)
    if product == size:
        return "*".join(taken) or "1"
    letters.clear()  # an axis was cut inside: no letter fits from here on
    return str(size)


def _reshape(r: _Recorder, name: str, shape: Shape) -> str:
    return r.emit("reshape", [name], {"shape": shape})


def _view(r: _Recorder, a: Tensor, size: Sequence[int]) -> str:
    name = r.name_of(a)
    known = [int(s) for s in size]
    if -1 in known:
        known[known.index(-1)] = a.numel() // max(1, -_multiplied(known))
    return _reshape(r, name, _written_in_letters(r, name, known))


def _multiplied(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _unsqueeze(r: _Recorder, a: Tensor, dim: int) -> str:
    name = r.name_of(a)
    at = dim % (a.dim() + 1)
    shape = r.shape(name)
    return _reshape(r, name, (*shape[:at], "1", *shape[at:]))


def _squeeze(r: _Recorder, a: Tensor, dim: int | Sequence[int] | None = None) -> str:
    name = r.name_of(a)
    wanted = range(a.dim()) if dim is None else [d % a.dim() for d in ([dim] if isinstance(dim, int) else dim)]
    gone = {axis for axis in wanted if a.shape[axis] == 1}
    return _reshape(r, name, tuple(letter for axis, letter in enumerate(r.shape(name)) if axis not in gone))


def _permute(r: _Recorder, a: Tensor, dims: Sequence[int]) -> str:
    return r.emit("permute", [r.name_of(a)], {"order": tuple(d % a.dim() for d in dims)})


def _transpose(r: _Recorder, a: Tensor, dim0: int, dim1: int) -> str:
    order = list(range(a.dim()))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return _permute(r, a, order)


def _turn(r: _Recorder, a: Tensor) -> str:
    return _permute(r, a, tuple(reversed(range(a.dim()))))


def _expand(r: _Recorder, a: Tensor, size: Sequence[int], implicit: bool = False) -> str:
    name, offset = r.name_of(a), len(size) - a.dim()
    old = ("1",) * offset + r.shape(name)
    shape = tuple(old[k] if s in (-1, axis_size(old[k], r.sizes)) else str(s) for k, s in enumerate(size))
    return r.emit("broadcast", [name], {"shape": shape})


def _slice(
    r: _Recorder, a: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> str:
    if step != 1:
        raise TraceError(f"{r.cell}: a slice with step {step}, expected step 1. Reorder the parameter's rows instead.")
    first, last, _ = slice(start, end).indices(a.shape[dim])
    name, axis = r.name_of(a), dim % a.dim()
    if (first, last) == (0, a.shape[dim]):
        return _same(r, a)
    return r.emit("slice", [name], {"axis": axis, "start": first, "stop": last})


def _select(r: _Recorder, a: Tensor, dim: int, index: int) -> str:
    axis, at = dim % a.dim(), index % a.shape[dim]
    return _drop_axis(r, r.emit("slice", [r.name_of(a)], {"axis": axis, "start": at, "stop": at + 1}), axis)


def _drop_axis(r: _Recorder, name: str, axis: int) -> str:
    shape = r.shape(name)
    return _reshape(r, name, (*shape[:axis], *shape[axis + 1 :]))


def _split(r: _Recorder, a: Tensor, size: int | Sequence[int], dim: int = 0) -> list[str]:
    total, axis = a.shape[dim], dim % a.dim()
    widths = [size] * (total // size) + [total % size] * bool(total % size) if isinstance(size, int) else list(size)
    starts = [sum(widths[:k]) for k in range(len(widths))]
    name = r.name_of(a)
    return [
        r.emit("slice", [name], {"axis": axis, "start": s, "stop": s + w}) for s, w in zip(starts, widths, strict=True)
    ]


def _unbind(r: _Recorder, a: Tensor, dim: int = 0) -> list[str]:
    return [_select(r, a, dim, index) for index in range(a.shape[dim])]


def _cat(r: _Recorder, tensors: Sequence[Tensor], dim: int = 0) -> str:
    return r.emit("concatenate", [r.name_of(t) for t in tensors], {"axis": dim % tensors[0].dim()})


def _stack(r: _Recorder, tensors: Sequence[Tensor], dim: int = 0) -> str:
    axis = dim % (tensors[0].dim() + 1)
    return r.emit("concatenate", [_unsqueeze(r, t, axis) for t in tensors], {"axis": axis})


def _summed(r: _Recorder, name: str, dims: Sequence[int] | None, keepdim: bool, op: str = "sum") -> str:
    rank = len(r.shape(name))
    axes = sorted(d % rank for d in (dims if dims else range(rank)))
    for axis in axes:
        name = r.emit(op, [name], {"axis": axis})
    for axis in reversed([] if keepdim else axes):
        name = _drop_axis(r, name, axis)
    return name


def _sum(r: _Recorder, a: Tensor, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: object = None) -> str:
    return _summed(r, r.name_of(a), dim, keepdim)


def _amax(r: _Recorder, a: Tensor, dim: Sequence[int] = (), keepdim: bool = False) -> str:
    return _summed(r, r.name_of(a), dim, keepdim, "max")


def _mean(
    r: _Recorder, a: Tensor, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: object = None
) -> str:
    total = _summed(r, r.name_of(a), dim, keepdim)
    count = _multiplied([a.shape[d] for d in (dim if dim else range(a.dim()))])
    return r.emit("div", [total, r.name_of(count)], {})


def _softmax(r: _Recorder, a: Tensor, dim: int, half_to_float: bool = False) -> str:
    name, axis = r.name_of(a), dim % a.dim()
    top = r.emit("max", [name], {"axis": axis})
    raised = r.emit("exp", [r.emit("sub", [name, top], {})], {})
    return r.emit("div", [raised, r.emit("sum", [raised], {"axis": axis})], {})


def _clamp(r: _Recorder, a: Tensor, min: float | None = None, max: float | None = None) -> str:
    name = r.name_of(a)
    if min is not None:
        name = r.emit("maximum", [name, r.name_of(min)], {})
    return name if max is None else r.emit("minimum", [name, r.name_of(max)], {})


def _leaky_relu(r: _Recorder, a: Tensor, negative_slope: float = 0.01) -> str:
    name = r.name_of(a)
    below = r.emit("mul", [name, r.name_of(negative_slope)], {})
    return r.emit("where", [r.emit("less", [name, r.name_of(0)], {}), below, name], {})


def _silu(r: _Recorder, a: Tensor) -> str:
    name = r.name_of(a)
    return r.emit("mul", [name, r.emit("sigmoid", [name], {})], {})


def _log_sigmoid(r: _Recorder, a: Tensor) -> list[str]:
    """The value, and the buffer that torch keeps for its derivative."""
    name = r.emit("neg", [r.emit("softplus", [r.emit("neg", [r.name_of(a)], {})], {})], {})
    return [name, name]


def _filled(value: float) -> Rule:
    def rule(r: _Recorder, a: Tensor, *_: object, **__: object) -> str:
        shape = r.shape(r.name_of(a))
        return r.emit("broadcast", [r.name_of(value)], {"shape": shape}, shape)

    return rule


def _number(r: _Recorder, value: float, **_: object) -> str:
    return r.name_of(value)


def _negated(op: str) -> Rule:
    def rule(r: _Recorder, *args: object) -> str:
        return r.emit("not", [r.emit(op, [r.name_of(arg) for arg in args], {})], {})

    return rule


def _softplus(r: _Recorder, a: Tensor, beta: float = 1, threshold: float = 20) -> str:
    """log(1 + e^(beta a)) / beta; torch leaves the 1 out above the threshold, the table does not."""
    name = r.name_of(a)
    if beta == 1:
        return r.emit("softplus", [name], {})
    raised = r.emit("softplus", [r.emit("mul", [name, r.name_of(beta)], {})], {})
    return r.emit("div", [raised, r.name_of(beta)], {})


def _square(r: _Recorder, a: Tensor) -> str:
    return r.emit("mul", [r.name_of(a)] * 2, {})


def _reciprocal(r: _Recorder, a: Tensor) -> str:
    return r.emit("div", [r.name_of(1), r.name_of(a)], {})


def _rsqrt(r: _Recorder, a: Tensor) -> str:
    return r.emit("div", [r.name_of(1), r.emit("sqrt", [r.name_of(a)], {})], {})


_RULES: Mapping[str, Rule] = {
    "add": _scaled("add"),
    "sub": _scaled("sub"),
    "rsub": _reversed_sub,
    **{
        name: _elementwise(name)
        for name in (
            "mul",
            "div",
            "pow",
            "maximum",
            "minimum",
            "neg",
            "abs",
            "sign",
            "exp",
            "log",
            "sqrt",
            "sin",
            "cos",
            "tanh",
            "sigmoid",
            "relu",
            "where",
        )
    },
    "lt": _elementwise("less"),
    "le": _elementwise("less_equal"),
    "gt": _swapped("less"),
    "ge": _swapped("less_equal"),
    "eq": _elementwise("equal"),
    "ne": _negated("equal"),
    "logical_not": _elementwise("not"),
    "logical_and": _elementwise("and"),
    "logical_or": _elementwise("or"),
    "bitwise_not": _elementwise("not"),
    "bitwise_and": _elementwise("and"),
    "bitwise_or": _elementwise("or"),
    "softplus": _softplus,
    "log_sigmoid_forward": _log_sigmoid,
    "detach": _elementwise("stop_gradient"),
    "mv": _product,
    "dot": _dot,
    "mm": _matrix_product,
    "bmm": _matrix_product,
    "view": _view,
    "_unsafe_view": _view,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "permute": _permute,
    "transpose": _transpose,
    "t": _turn,
    "expand": _expand,
    "slice": _slice,
    "select": _select,
    "split": _split,
    "split_with_sizes": _split,
    "unbind": _unbind,
    "cat": _cat,
    "stack": _stack,
    "sum": _sum,
    "amax": _amax,
    "mean": _mean,
    "_softmax": _softmax,
    "clamp": _clamp,
    "leaky_relu": _leaky_relu,
    "silu": _silu,
    "square": _square,
    "reciprocal": _reciprocal,
    "rsqrt": _rsqrt,
    "scalar_tensor": _number,
    "zeros_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "clone": _same,
    "alias": _same,
}
"""Name of a torch operation -> how it is written in the graph."""
