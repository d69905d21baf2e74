"""Cells that nobody wrote: random graphs of the supported operations, compiled and compared with `interpret`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from engine.checks import check, problem, user_cell
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from carrousel.cell import Cell
from carrousel.engine.derivatives import RULES
from carrousel.engine.lower.vector_math import VECTOR

ONE: dict[str, Callable[[Tensor], Tensor]] = {
    "neg": torch.neg,
    "abs": torch.abs,
    "exp": lambda a: torch.exp(torch.tanh(a)),
    "log": lambda a: torch.log(1 + a * a),
    "sqrt": lambda a: torch.sqrt(1 + a * a),
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "softplus": torch.nn.functional.softplus,
}
TWO: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": lambda a, b: torch.tanh(a) * b,
    "div": lambda a, b: a / (1.5 + torch.tanh(b)),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}
THREE: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"where": lambda a, b, c: torch.where(a < b, b, a + c)}
"""Operation -> a use of it that stays within sensible numbers."""

SUPPORTED = sorted(name for name in ONE | TWO | THREE if name in VECTOR and name in RULES)


@dataclass(frozen=True)
class Recipe:
    """A step: how many state vectors, and one line after another, each reading earlier values by number."""

    states: int
    lines: tuple[tuple[str, int, int, int], ...]

    @property
    def products(self) -> int:
        return sum(op == "product" for op, *_ in self.lines)


def cell_of(recipe: Recipe) -> Cell:
    fields = {f"W{k}": Float[Tensor, "H D"] for k in range(2)} | {"b": Float[Tensor, " H"], "mu": Float[Tensor, ""]}
    fields |= {f"R{k}": Float[Tensor, "H H"] for k in range(recipe.products + 1)}
    make = cast(Any, NamedTuple)
    params = make("Params", list(fields.items()))
    state = make("State", [(f"s{k}", Float[Tensor, " H"]) for k in range(recipe.states)])

    def step(p: Any, x_t: Tensor, s: Any) -> tuple[Tensor, Any]:
        pool = [p.W0 @ x_t + p.R0 @ s[0] + p.b, p.W1 @ x_t, p.b, *s]
        used = 0
        for op, *places in recipe.lines:
            a, b, c = (pool[place % len(pool)] for place in places)
            if op == "product":
                used += 1
                pool.append(getattr(p, f"R{used}") @ torch.tanh(a))
            else:
                pool.append(ONE[op](a) if op in ONE else TWO[op](a, b) if op in TWO else THREE[op](a, b, c))
        after = [torch.tanh(pool[-1 - k] + 0.5 * old) for k, old in enumerate(s)]
        return torch.tanh(pool[-1]) * p.mu, state(*after)

    return user_cell("random", step, params, state)


LINES = st.tuples(st.sampled_from(SUPPORTED), *[st.integers(0, 30)] * 3)
PRODUCTS = st.tuples(st.just("product"), *[st.integers(0, 30)] * 3)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    parts = [draw(st.lists(LINES, min_size=1, max_size=4))]
    for _ in range(draw(st.integers(0, 2))):
        parts += [[draw(PRODUCTS)], draw(st.lists(LINES, min_size=1, max_size=4))]
    return Recipe(draw(st.integers(1, 3)), tuple(line for part in parts for line in part))


@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipes(), st.booleans())
@example(Recipe(3, tuple((op, 0, 3, 1) for op in SUPPORTED)), True)
@example(Recipe(2, (("product", 3, 0, 0), ("tanh", 5, 0, 0), ("product", 6, 0, 0), ("mul", 7, 4, 0))), False)
@example(Recipe(1, (("tanh", 0, 0, 0),)), False)
def test_a_random_cell_equals_interpret(recipe: Recipe, is_ragged: bool) -> None:
    given_problem = problem(cell_of(recipe), steps=3, batch=5, hidden_size=5)
    if is_ragged:
        reset = torch.zeros(3, 5, dtype=torch.bool)
        reset[1, 2] = reset[2, 0] = True
        check(given_problem, torch.tensor([2, 3, 3, 1, 2]), reset)
    else:
        check(given_problem)


def test_every_supported_operation_is_drawn() -> None:
    assert set(ONE | TWO | THREE) == set(SUPPORTED)
    apart = {"products", "reshape", "broadcast", "sum", "permute", "slice", "concatenate", "max", "pow", "copy"}
    assert RULES.keys() - apart <= ONE.keys() | TWO.keys() | THREE.keys()
