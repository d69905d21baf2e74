"""What every compiled program must satisfy, as functions that raise; the tests of the tests call them on wrong engines."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import pytest
import torch
from thorough import selected
from torch import Tensor

from carrousel.cell import Cell, Initialiser, Source, uniform
from carrousel.cells import CELLS
from carrousel.engine import Program, compile_cell
from carrousel.engine.derivatives import PREFIX, met
from carrousel.engine.graph import Graph
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.ops import OPS
from carrousel.engine.passes.choose_tape import choose_tape
from carrousel.engine.passes.differentiate import NEXT, OUTPUT, differentiate
from carrousel.engine.passes.simplify import simplify
from carrousel.engine.spec import check as legal
from carrousel.errors import ConfigError

TOLERANCE = {"float64": {"value": 1e-10, "derivative": 1e-10}, "float32": {"value": 5e-6, "derivative": 3e-5}}
"""Largest error as a part of the largest element (at least 1). float64: the same mathematics in another order of additions.
float32, against `interpret` in float64: some 40 and 250 units in the last place (6e-8 each), which sums over a few steps reach."""


@dataclass(frozen=True)
class IllConditioned:
    """A cell whose float32 result may lie far from float64's although nothing is wrong.

    Args:
        why: what its rounding errors are multiplied by.
        against: the format in which `interpret` gives what is expected.
        factor: on the tolerances.
    """

    why: str
    against: torch.dtype = torch.float32
    factor: float = 1.0


ILL_CONDITIONED = {
    "array_lstm_max": IllConditioned(
        "the largest of nearly equal gates is chosen by rounding, and another unit goes on"
    ),
    "sopa_max_plus": IllConditioned(
        "the better of two nearly equal ways is chosen by rounding, and its derivative is taken"
    ),
    "sopa_max_times": IllConditioned("as sopa_max_plus"),
    "rrnn_b_max_plus": IllConditioned(
        "scores count from -100, of which float32 resolves 8e-6, and are shown as differences"
    ),
    "slstm": IllConditioned(
        "the output is divided by a normaliser that may lie near 0, and reaches 52 in these problems"
    ),
    "lmu": IllConditioned(
        "sums over a linear memory that reaches 18 in these problems meet tanh", torch.float64, factor=2.0
    ),
}
"""Cell -> why, for the only ones that miss the table in float32. All but the last are held to the same table against `interpret`
in float32, which rounds and chooses alike."""

RUN: Any = import_module("carrousel.engine.run")
COMPILED: Any = import_module("carrousel.engine.compiled")
FORWARD: Any = import_module("carrousel.engine.forward")
"""The modules, whose names tests replace; the package calls a function by the name of the first."""

LEAVES = ("param", "x", "state", "input")
"""What a forward graph reads."""

EACH = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
"""Every cell."""

ALL = pytest.mark.parametrize("cell", selected(CELLS.items()))
"""Every cell, of which most only when the exhaustive tests are asked for."""

Runner = Callable[..., tuple[Tensor, Sequence[Tensor], object]]


@dataclass(frozen=True)
class Problem:
    """A program with drawn parameters, inputs and a state that is not zero, and weights of everything that comes out."""

    program: Program
    params: Mapping[str, Tensor]
    x: Tensor
    state: tuple[Tensor, ...]

    @property
    def leaves(self) -> dict[str, Tensor]:
        """Everything that has a derivative, by name."""
        fields = (role for role, _ in self.program.graph.outputs if role.startswith("state."))
        return {"x": self.x, **dict(zip(fields, self.state, strict=True)), **self.params}

    def to(self, dtype: torch.dtype) -> "Problem":
        """The same numbers in another format."""

        def turned(tensor: Tensor) -> Tensor:
            return tensor.detach().to(dtype).requires_grad_(tensor.requires_grad)

        params = {name: turned(p) for name, p in self.params.items()}
        return Problem(self.program, params, turned(self.x), tuple(map(turned, self.state)))

    def interpreted(self, *arguments: Any) -> tuple[Tensor, Sequence[Tensor], object]:
        """The program by its definition."""
        return interpret(self.program.graph, *arguments)


def problem(
    cell: Cell | Program,
    *,
    steps: int = 4,
    batch: int = 3,
    input_size: int = 3,
    hidden_size: int = 6,
    dtype: torch.dtype = torch.float64,
    scale: float = 0.6,
    **sizes: int,
) -> Problem:
    """A problem of the given size; a program keeps the sizes it was traced at. Wide matrices are drawn smaller."""
    program = (
        cell if isinstance(cell, Program) else compile_cell(cell, fitting_sizes(cell, input_size, hidden_size, **sizes))
    )
    graph = program.graph
    generator = torch.Generator().manual_seed(7)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    scale *= min(1.0, (6 / hidden_size) ** 0.5)
    params = {n.name: (scale * drawn(*graph.elements(n.name)).detach()).requires_grad_() for n in graph.leaves("param")}
    (x,) = (drawn(steps, batch, *graph.elements(node.name)) for node in graph.leaves("x"))
    if program.noise:  # columns behind x_t are uniform in [0, 1), as a layer draws them
        width = sum(math.prod(graph.elements(node.name)) for node in program.noise)
        x.data[..., -width:] = torch.rand(steps, batch, width, generator=generator, dtype=dtype)
    return Problem(program, params, x, tuple(drawn(batch, *graph.elements(n.name)) for n in graph.leaves("state")))


def fitting_sizes(cell: Cell, input_size: int, hidden_size: int, **sizes: int) -> dict[str, int]:
    """The sizes nearest to these that the cell can have: some add the input to their units, some are cut into heads."""
    if "H" in cell.derived:
        input_size = hidden_size
    for more in range(8):
        try:
            return cell.sizes(input_size + more * ("H" in cell.derived), hidden_size + more, **sizes)
        except ConfigError:
            continue
    raise AssertionError(f"no sizes of {cell.name} near {input_size} and {hidden_size}")


def results(given: Problem, run: Runner, *arguments: Any) -> dict[str, Tensor]:
    """Outputs, last state and the derivatives of a loss in which each of their elements counts."""
    y, last, _ = run(given.params, given.x, given.state, *arguments)
    outputs = {"y": y, **{f"last.{k}": tensor for k, tensor in enumerate(last)}}
    leaves = {name: leaf for name, leaf in given.leaves.items() if leaf.requires_grad}
    found = derivatives_of(weighted_sum(outputs), list(leaves.values())) if leaves else []
    return {k: v.detach() for k, v in outputs.items()} | {
        f"d_{name}": d for name, d in zip(leaves, found, strict=bool(found))
    }


def weighted_sum(outputs: Mapping[str, Tensor]) -> Tensor:
    """The loss whose derivatives `results` gives: drawn weights for every element that is no derivative itself."""
    generator = torch.Generator().manual_seed(11)
    terms = [
        (tensor * torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype)).sum()
        for name, tensor in outputs.items()
        if not name.startswith("d_")
    ]
    return torch.stack(terms).sum()


def derivatives_of(loss: Tensor, values: Sequence[Tensor]) -> list[Tensor]:
    """The derivative of the loss by each value, zero where it does not depend on it."""
    found = cast("tuple[Tensor | None, ...]", torch.autograd.grad(loss, values, allow_unused=True))
    return [torch.zeros_like(v) if d is None else d for d, v in zip(found, values, strict=True)]


def check(given: Problem, lengths: Tensor | None = None, reset: Tensor | None = None) -> None:
    """A compiled program gives what `interpret` gives in float64: outputs, last state, every derivative.

    Cells that are ill-conditioned by their nature are held to what the table of them says instead.
    """
    assert not given.program.plan.reason, given.program.plan.reason
    is_rounded = given.x.dtype == torch.float32
    case = ILL_CONDITIONED.get(given.program.graph.name) if is_rounded else None
    exact = given.to(case.against if case else torch.float64)
    expected = results(exact, exact.interpreted, lengths, reset)
    got = results(given, given.program, lengths, reset)
    check_close(got, expected, given.x.dtype, case.factor if case else 1.0)


def check_close(
    got: Mapping[str, Tensor], expected: Mapping[str, Tensor], dtype: torch.dtype, factor: float = 1.0
) -> None:
    """All values within the tolerance of their number format, times the factor; NaN and infinities where they are expected."""
    assert got.keys() == expected.keys(), f"only one side has {sorted(got.keys() ^ expected.keys())}"
    limits = TOLERANCE[str(dtype).removeprefix("torch.")]
    for name, value in got.items():
        assert value.dtype == dtype, f"{name} is {value.dtype}"
        limit = limits["derivative" if name.startswith("d_") else "value"]
        finite = torch.nan_to_num(expected[name], 0.0, 0.0, 0.0)
        scale = max(1.0, float(finite.abs().max())) if finite.numel() else 1.0
        torch.testing.assert_close(
            value.double(),
            expected[name].double(),
            rtol=0,
            atol=factor * limit * scale,
            equal_nan=True,
            msg=lambda m, n=name: f"{n}: {m}",
        )


def bits(values: Mapping[str, Tensor]) -> dict[str, bytes]:
    """The same numbers as bytes, to compare without any tolerance."""
    return {name: value.contiguous().numpy().tobytes() for name, value in values.items()}


def user_cell(
    name: str, step: Callable[[Any, Tensor, Any], tuple[Tensor, Any]], params: type[Any], state: type[Any]
) -> Cell:
    """A cell as a user would write one."""
    start: dict[str, Initialiser] = {field: uniform(0.5) for field in params.__annotations__}
    return Cell(name, step, params, state, start, Source("A test", ("Nobody",), 2000, "here"), "nothing")


def fresh(cell: Cell) -> Program:
    """A program that has no plan yet."""
    return Program(compile_cell(cell, fitting_sizes(cell, input_size=3, hidden_size=6)).graph)


def evaluate(graph: Graph, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every value of one step on batch-led tensors, leaf by leaf and node by node."""
    values = dict(leaves)
    for node in graph.computed:
        if node.op == "constant":
            values[node.name] = torch.full((1,), cast(float, node.settings["value"]), dtype=torch.float64)
        else:
            values[node.name] = OPS[node.op].evaluate([values[a] for a in node.args], node.settings, graph.sizes)
    return values


def check_derivative(loop: Graph, *, is_taped: bool) -> None:
    """`differentiate` (and `choose_tape`) against torch on one step of three sequences."""
    backward = legal(simplify(differentiate(loop)))
    tape = tuple(node.name for node in backward.leaves("saved"))
    if is_taped:
        backward, tape = choose_tape(loop, backward)
    values, leaves = one_step(loop)
    generator = torch.Generator().manual_seed(3)
    grads = {
        role: torch.randn(values[name].shape, generator=generator, dtype=torch.float64) for role, name in loop.outputs
    }
    loss = torch.stack([(grads[role] * values[name]).sum() for role, name in loop.outputs]).sum()
    given = {node.name: grads[role_of(node.name)] for node in backward.leaves("grad")}
    read = {name: values[name].detach() for name in (*tape, *(n.name for n in backward.leaves("param")))}
    found = evaluate(backward, given | read)
    got: dict[str, Tensor] = {}
    for role, name in backward.outputs:
        kind, target = role.split(".", 1)
        if kind == "weight":
            matrix, vector = met(role)
            rows = values[vector].detach().flatten(1).expand(3, -1)
            add(got, matrix, outer(loop, matrix, found[name], rows)[None])
        elif kind == "param":
            add(got, target, found[name].sum(0, keepdim=True).sum_to_size(leaves[target].shape))
        else:
            leaf = state_leaf(loop, target) if kind == "state" else target
            add(got, leaf, found[name].expand(leaves[leaf].shape))
    expected = dict(zip(leaves, derivatives_of(loss, list(leaves.values())), strict=True))
    unread = {n for n, value in expected.items() if n not in got and loop[n].op == "param" and not value.any()}
    expected = {name: value for name, value in expected.items() if name not in unread}
    assert got.keys() == expected.keys(), f"only one side has {sorted(got.keys() ^ expected.keys())}"
    for name, value in got.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


def outer(loop: Graph, matrix: str, derivative: Tensor, vector: Tensor) -> Tensor:
    """The derivative of a matrix, or of one matrix a head."""
    shape = loop.elements(matrix)
    if len(shape) == 2:
        return torch.einsum("bi,bj->ij", derivative.flatten(1), vector)
    left, right = derivative.reshape(-1, *shape[:2]), vector.reshape(-1, shape[0], shape[2])
    return torch.einsum("bni,bnj->nij", left, right)


def one_step(graph: Graph) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All values of one step of three sequences, and the leaves they are made from."""
    generator = torch.Generator().manual_seed(2)
    leaves = {
        node.name: torch.randn(
            1 if node.op == "param" else 3, *graph.elements(node.name), generator=generator, dtype=torch.float64
        ).requires_grad_()
        for node in graph.nodes
        if node.op in LEAVES
    }
    return evaluate(graph, leaves), leaves


def role_of(grad: str) -> str:
    """The output whose derivative a leaf of the backward step is: d/output, d/h/next."""
    return "output" if grad == OUTPUT else f"state.{grad.removeprefix(PREFIX).removesuffix(NEXT)}"


def state_leaf(graph: Graph, field: str) -> str:
    fields = [role.removeprefix("state.") for role, _ in graph.outputs if role.startswith("state.")]
    return dict(zip(fields, (node.name for node in graph.leaves("state")), strict=True))[field]


def add(sums: dict[str, Tensor], name: str, term: Tensor) -> None:
    sums[name] = sums[name] + term if name in sums else term
