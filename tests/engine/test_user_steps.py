"""Steps as users may write them, each with a trait that the cells of the catalogue do not have, against `interpret`."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import pytest
import torch
from engine.checks import check, problem, results, user_cell
from jaxtyping import Float
from torch import Tensor, sigmoid, tanh

import carrousel


class One(NamedTuple):
    h: Float[Tensor, " H"]


class Two(NamedTuple):
    h: Float[Tensor, " H"]
    c: Float[Tensor, " H"]


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    V: Float[Tensor, "H D"]
    R: Float[Tensor, "H H"]
    b: Float[Tensor, " H"]
    mu: Float[Tensor, ""]
    nu: Float[Tensor, ""]


Step = Callable[[Params, Tensor, Any], tuple[Tensor, Any]]


def output_through_a_matrix(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = tanh(p.W @ x + p.R @ s.h + p.b)
    return p.R @ h, One(h)


def input_added_to_the_output(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = tanh(p.W @ x + p.R @ s.h + p.b)
    return h * 2 + p.V @ x, One(h)


def two_inputs_with_one_derivative(p: Params, x: Tensor, s: Two) -> tuple[Tensor, Two]:
    h = ((s.h + p.W @ x) - s.c) + p.V @ x
    return tanh(h), Two(h, s.c * 0.5)


def output_without_state(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    return p.V @ x, One(tanh(p.W @ x + p.R @ s.h + p.b))


def output_of_parameters(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    return p.b * 1.0, One(tanh(p.W @ x + p.R @ s.h))


def delayed_output(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    return s.h, One(tanh(p.W @ x + p.R @ s.h + p.b))


def state_that_is_handed_on(p: Params, x: Tensor, s: Two) -> tuple[Tensor, Two]:
    h = tanh(p.W @ x + p.R @ s.h) * s.c
    return h, Two(h, s.c)


def states_that_change_places(p: Params, x: Tensor, s: Two) -> tuple[Tensor, Two]:
    h = tanh(p.W @ x + p.R @ s.c) * s.h
    return h, Two(s.c, h)


def no_product_on_the_state(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    f = sigmoid(p.W @ x + p.b)
    h = f * s.h + (1 - f) * (p.V @ x)
    return h, One(h)


def three_dependent_products(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    a = tanh(p.W @ x + p.R @ s.h)
    b = tanh(p.R @ a)
    c = tanh(p.R @ b + p.b)
    return c, One(a * c)


def matrix_made_of_parameters(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = tanh(tanh(p.R) @ s.h + p.W @ x)
    return h, One(h)


def nonlinear_input(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = tanh(p.R @ s.h + p.V @ x) * sigmoid(p.W @ x)
    return h, One(h)


def input_as_it_is(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = tanh(p.R @ s.h + p.b) + x[:6]
    return h, One(h)


def detached_input(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = tanh(p.R @ s.h + tanh(p.W @ x).detach())
    return h, One(h)


def choice_by_the_input(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    z = p.W @ x
    h = torch.where((z > 0) & ~(z > 1), tanh(p.R @ s.h + z), s.h)
    return h, One(h)


def choice_by_the_state(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    z = p.W @ x + p.R @ s.h
    h = torch.where(z > s.h, tanh(z), 0.5 * s.h)
    return h, One(h)


def sum_of_single_numbers(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = tanh(p.R @ s.h + p.mu + p.nu + p.W @ x)
    return h, One(h)


def one_name_for_many_values(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = s.h + s.h * s.h + tanh(s.h) + p.b + sigmoid(s.h) + p.W @ x
    h = tanh(h) * 0.5
    h = h * p.b
    return h, One(h)


def unused_state(p: Params, x: Tensor, s: Two) -> tuple[Tensor, Two]:
    h = tanh(p.W @ x + p.R @ s.h + p.b)
    return h, Two(h, h * 0.5)


def detached_state(p: Params, x: Tensor, s: Two) -> tuple[Tensor, Two]:
    h = tanh(p.W @ x + p.R @ s.h + s.c.detach())
    return h, Two(h, h * 0.5)


def names_like_derivatives(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    d1 = tanh(p.W @ x + p.R @ s.h + p.b)
    d2 = sigmoid(p.V @ x + p.R @ s.h)
    d5 = d1 * d2
    d8 = tanh(d5)
    d10 = d8 * d1
    return d10, One(d10)


def single_number_used_twice(p: Params, x: Tensor, s: One) -> tuple[Tensor, One]:
    h = tanh(p.R @ s.h * p.mu + p.W @ x) * p.mu
    return h, One(h)


STEPS: list[Step] = [
    output_through_a_matrix, input_added_to_the_output, two_inputs_with_one_derivative, output_without_state,
    output_of_parameters, delayed_output, state_that_is_handed_on, states_that_change_places, no_product_on_the_state,
    three_dependent_products, matrix_made_of_parameters, nonlinear_input, input_as_it_is, detached_input,
    choice_by_the_input, choice_by_the_state, sum_of_single_numbers, one_name_for_many_values, unused_state,
    detached_state, names_like_derivatives, single_number_used_twice,
]  # fmt: skip
LENGTHS = torch.tensor([2, 4, 1, 3])
RESET = torch.zeros(4, 4, dtype=torch.bool)
RESET[0, 1] = RESET[2, 1] = RESET[3, 3] = True


def cell_of(step: Step) -> carrousel.Cell:
    state = Two if "Two" in str(step.__annotations__["s"]) else One
    return user_cell(step.__name__, step, Params, state)


@pytest.mark.parametrize("step", [pytest.param(s, id=s.__name__) for s in STEPS])
def test_a_step_of_this_kind_equals_interpret(step: Step) -> None:
    given = problem(cell_of(step), input_size=6 if step is input_as_it_is else 3, batch=4)
    check(given)
    check(given, LENGTHS, RESET)


def test_a_gradient_of_x_is_nobody_elses_memory() -> None:
    given = problem(cell_of(input_as_it_is), input_size=6)
    found = results(given, given.program)["d_x"]
    before = found.clone()
    results(problem(given.program, input_size=6, scale=3.0), given.program)
    assert torch.equal(found, before)


def test_a_hoisted_part_under_autocast_and_in_inference_mode_stays_in_float32() -> None:
    layer = carrousel.Recurrent(cell_of(nonlinear_input), 32, 16)
    x = torch.randn(5, 3, 32)
    expected = layer(x)[0].detach()
    with torch.inference_mode():
        assert torch.equal(layer(x)[0], expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x)[0].detach(), expected)
    layer(x)[0].sum().backward()


MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "default dtype": lambda: default_dtype(torch.float64),
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_first_call_in_any_mode_traces_the_same_graph(mode: Callable[[], AbstractContextManager[Any]]) -> None:
    graphs: list[str] = []
    for context in (nullcontext, mode):
        layer = carrousel.Recurrent(cell_of(output_through_a_matrix), 3, 6, dtype=torch.float32)
        with context():
            layer(torch.randn(4, 2, 3, dtype=torch.float32))
        graphs.append(str(layer.graph()))
    assert graphs[0] == graphs[1]


def test_a_first_call_inside_a_transform_traces_the_same_graph() -> None:
    layer = carrousel.Recurrent(cell_of(output_through_a_matrix), 3, 6)

    def total(x: Tensor) -> Tensor:
        return layer(x)[0].sum()

    torch.func.grad(total)(torch.randn(4, 2, 3))
    assert str(layer.graph()) == str(carrousel.Recurrent(cell_of(output_through_a_matrix), 3, 6).graph())


@contextmanager
def default_dtype(dtype: torch.dtype) -> Generator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(before)
