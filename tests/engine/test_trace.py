"""A step as a graph: what is written down, what is refused, and that the graph means what the step says."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from carrousel import Cell, Source
from carrousel.cell import uniform
from carrousel.engine import compile_cell, trace_cell
from carrousel.engine.graph import Graph, Node
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.spec import check
from carrousel.errors import TraceError

SIZES = {"D": 3, "H": 4}
SOURCE = Source("A test", ("Nobody",), 2026, "here")


class State(NamedTuple):
    h: Float[Tensor, " H"]
    C: Float[Tensor, "H H"]


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    R: Float[Tensor, "H H"]
    b: Float[Tensor, " H"]


def cell(step: Callable[..., Any]) -> Cell:
    return Cell("test", step, Params, State, {n: uniform(1.0) for n in Params._fields}, SOURCE, differs="nothing")


def plain(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    a_t = p.W @ x_t + p.R @ s.h
    h_t = torch.tanh(a_t + p.b)
    return h_t, State(h_t, s.C)


@pytest.mark.tiny
def test_a_graph_reads_as_the_step_does() -> None:
    assert str(trace_cell(cell(plain), SIZES)) == (
        "test(D=3, H=4)\n"
        "  W: H D = param\n"
        "  R: H H = param\n"
        "  b: H = param\n"
        "  x_t: D = x\n"
        "  h_tm1: H = state\n"
        "  C_tm1: H H = state\n"
        "  v1: H = matvec W x_t\n"
        "  v2: H = matvec R h_tm1\n"
        "  a_t: H = add v1 v2\n"
        "  v3: H = add a_t b\n"
        "  h_t: H = tanh v3\n"
        "  -> output h_t, state.h h_t, state.C C_tm1"
    )


STEPS: dict[str, Callable[[Params, Tensor, State], Tensor]] = {
    "softmax": lambda p, x, s: torch.softmax(p.W @ x + s.h, dim=0) * s.h,
    "layer norm": lambda p, x, s: (s.h - s.h.mean()) / torch.sqrt(((s.h - s.h.mean()) ** 2).mean() + 1e-5) + p.W @ x,
    "slices": lambda p, x, s: torch.cat([s.h[2:] * s.h[:2], torch.sigmoid(s.h[:2])]) + p.W @ x,
    "stack and unbind": lambda p, x, s: torch.stack(list(s.h.unbind())) * p.b,
    "where": lambda p, x, s: torch.where(s.h > 0, s.h, 0.1 * s.h) + p.b,
    "clamp": lambda p, x, s: torch.clamp(s.h + p.b, -0.5, 0.5) * torch.maximum(s.h, p.b),
    "outer product": lambda p, x, s: (torch.outer(s.h, p.b) + s.C) @ s.h,
    "matrix state": lambda p, x, s: s.C @ (p.W @ x) + s.C.t() @ s.h,
    "einsum": lambda p, x, s: torch.einsum("ij,j->i", p.R, s.h) + torch.einsum("ij,i->j", s.C, p.b),
    "scalars": lambda p, x, s: 2 - s.h / 3 + (1 - s.h) * 0.5,
    "functions": lambda p, x, s: torch.exp(-(s.h**2)) + torch.nn.functional.softplus(p.b) * torch.cos(s.h).abs(),
    "silu and leaky": lambda p, x, s: torch.nn.functional.silu(s.h) + torch.nn.functional.leaky_relu(p.b - s.h, 0.2),
    "sums": lambda p, x, s: s.C.sum(0) * s.C.amax(1) + s.C.mean(),
    "detach": lambda p, x, s: s.h.detach() * p.b + s.h,
}


def values(seed: int = 0) -> tuple[Params, Tensor, State]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    return Params(draw(4, 3), draw(4, 4), draw(4)), draw(5, 3), State(draw(5, 4), draw(5, 4, 4))


def assert_means_the_step(step: Callable[[Params, Tensor, State], tuple[Tensor, State]]) -> None:
    """Interpreting the graph on a batch is the step mapped over it, values and derivatives."""
    p, x, s = values()
    expected, after = torch.func.vmap(step, in_dims=(None, 0, 0))(p, x, s)
    y, last, _ = interpret(trace_cell(cell(step), SIZES), p._asdict(), x[None], list(s))
    for found, wanted in zip([y[0], *last], [expected, *after], strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    leaves = [*p, x, *s]
    for found, wanted in zip(derivatives(y, leaves), derivatives(expected, leaves), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)


def derivatives(y: Tensor, leaves: Sequence[Tensor]) -> list[Tensor]:
    """Of the sum of squares, by each leaf; zero where it plays no part."""
    found = cast("tuple[Tensor | None, ...]", torch.autograd.grad(y.square().sum(), leaves, allow_unused=True))
    return [torch.zeros_like(leaf) if d is None else d for d, leaf in zip(found, leaves, strict=True)]


@pytest.mark.tiny
@pytest.mark.parametrize("name", list(STEPS))
def test_a_graph_means_what_the_step_says(name: str) -> None:
    def step(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        h_t = STEPS[name](p, x_t, s)
        return h_t, State(h_t, s.C)

    assert_means_the_step(step)


UNARY: tuple[Callable[[Tensor], Tensor], ...] = (
    torch.tanh,
    torch.sigmoid,
    torch.relu,
    torch.sin,
    torch.neg,
    lambda x: x * x,
    lambda x: 0.5 - x,
)
BINARY: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    torch.add,
    torch.sub,
    torch.mul,
    torch.maximum,
    lambda a, b: torch.where(a < b, a, b),
)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_random_steps_mean_what_they_say(choices: list[tuple[int, int, int]]) -> None:
    def step(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        made: list[Tensor] = [p.W @ x_t, p.R @ s.h, p.b, s.h, s.C @ s.h]
        for kind, a, b in choices:
            first, second = made[a % len(made)], made[b % len(made)]
            number = kind % (len(UNARY) + len(BINARY) + 1)
            if number < len(UNARY):
                made.append(UNARY[number](first))
            elif number < len(UNARY) + len(BINARY):
                made.append(BINARY[number - len(UNARY)](first, second))
            else:
                made.append(p.R @ first)
        return made[-1], State(made[-1], s.C)

    assert_means_the_step(step)


def branches(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    if s.h.sum() > 0:
        return s.h, s
    return -s.h, s


def writes(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    s.h.add_(1)
    return s.h, s


def draws(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    return s.h * torch.rand_like(s.h), s


def sorts(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    return torch.sort(s.h).values, s


def mismatches(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    return s.h * x_t, s


def forgets(p: Params, x_t: Tensor, s: State) -> Tensor:
    return s.h


def reshapes(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    return s.h, State(s.h[:2], s.C)


FOREIGN = torch.zeros(4)


def borrows(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
    return s.h + FOREIGN, s


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("step", "message"),
    [
        (branches, "test: the step at test_trace.py:LINE (if s.h.sum() > 0:) branches on a tensor, which has no value while "
         "tracing. Use torch.where."),
        (writes, "test: the step at test_trace.py:LINE (s.h.add_(1)) writes in place (add_), expected a pure step. Use the form "
         "that returns a new tensor."),
        (draws, "test: the step at test_trace.py:LINE (return s.h * torch.rand_like(s.h), s) draws random numbers (rand_like), "
         "expected a pure step. Take them as a fourth argument."),
        (sorts, "test: the step at test_trace.py:LINE (return torch.sort(s.h).values, s) uses the operation 'sort', which has no "
         "row in the table. Write it with operations of carrousel.engine.ops."),
        (mismatches, "test: the step at test_trace.py:LINE (return s.h * x_t, s): axes H and D do not broadcast. Check the shapes "
         "of the parameters."),
        (borrows, "test: the step at test_trace.py:LINE (return s.h + FOREIGN, s) uses a tensor that is neither a parameter, nor "
         "x_t, nor the state. Make it a field of Params (initialised with is_fixed=True when it is a constant)."),
        (forgets, "test: step returned Tensor, expected (y_t, State(...)). Return the output and the next state as a pair."),
        (reshapes, "test: step returns state h of shape (2,), expected (H) = (4,). Return every state field in its own shape."),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_is_named(step: Callable[..., Any], message: str) -> None:
    with pytest.raises(TraceError) as caught:
        trace_cell(cell(step), SIZES)
    assert re.sub(r"\.py:\d+", ".py:LINE", str(caught.value)) == message


@pytest.mark.tiny
def test_tracing_costs_nothing_of_torch_s_compiler() -> None:
    import subprocess
    import sys

    code = "import sys, carrousel; carrousel.Recurrent('lstm', 3, 4).graph(); assert 'torch._dynamo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.tiny
def test_a_program_is_made_once_for_a_cell_and_its_sizes() -> None:
    mine = cell(plain)
    assert compile_cell(mine, SIZES) is compile_cell(mine, dict(SIZES))
    assert compile_cell(mine, SIZES) is not compile_cell(mine, SIZES | {"H": 5})


H = ("H",)
LEAF = Node("h", "state", (), H)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((LEAF, LEAF), "test: illegal graph at `h: H = state`: the name is taken."),
        ((LEAF, Node("a", "tanh", ("b",), H)), "test: illegal graph at `a: H = tanh b`: reads b before it is made."),
        (
            (LEAF, Node("a", "tan", ("h",), H)),
            "test: illegal graph at `a: H = tan h`: no operation 'tan' in the table.",
        ),
        ((LEAF, Node("a", "add", ("h",), H)), "test: illegal graph at `a: H = add h`: add takes 2 arguments."),
        (
            (LEAF, Node("a", "tanh", ("h",), ("D",))),
            "test: illegal graph at `a: D = tanh h`: its arguments give shape (H).",
        ),
        ((LEAF,), "test: illegal graph: output is a, which no node makes."),
    ],
)
def test_an_illegal_graph_is_named(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(TraceError, match=f"^{re.escape(message)}$"):
        check(Graph("test", nodes, (("output", "a"),), SIZES))
