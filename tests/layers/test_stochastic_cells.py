"""Cells whose step takes random numbers: what is drawn for them, and that a plain loop with the same numbers agrees."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from cells.conformance import assert_same, derivatives_of, problem, results
from jaxtyping import Float
from torch import Tensor, tanh, where

from carrousel import Cell, Draw, Recurrent, Source, masks
from carrousel.cell import Option, uniform_hidden
from carrousel.errors import ConfigError

DRAW = Draw(5, rows=[3, 8, 4])
SOURCE = Source("A test", ("A. Tester",), 2026, "nowhere")


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    R: Float[Tensor, "H H"]
    b: Float[Tensor, " H"]


class State(NamedTuple):
    h: Float[Tensor, " H"]


def two_lanes(
    p: Params, x_t: Float[Tensor, " D"], s: State, u_t: Float[Tensor, "K H"], e_t: Float[Tensor, ""]
) -> tuple[Tensor, State]:
    """The first lane's number decides whether a unit works, the second's scales what it keeps; one more shifts all units."""
    n_t = tanh(p.W @ x_t + p.R @ s.h + p.b + e_t)
    h_t = where(u_t[0] < 0.5, n_t, s.h) * u_t[1]
    return h_t, State(h_t)


def noisy(step: Callable[..., Any] = two_lanes) -> Cell:
    return Cell(
        "noisy", step, Params, State,
        init={name: uniform_hidden() for name in Params._fields},
        options={"K": Option("lanes", lambda _: 2, "numbers of a unit")},
        source=SOURCE,
        differs="nothing",
    )  # fmt: skip


@pytest.mark.tiny
def test_the_axes_of_random_numbers_are_read_from_the_step() -> None:
    assert noisy().noise_axes == {"u_t": ("K", "H"), "e_t": ()}
    assert Recurrent("lstm", 3, 6).cell.noise_axes == {}


@pytest.mark.tiny
def test_a_step_sees_its_input_and_its_random_numbers_as_columns_of_one_input() -> None:
    graph = Recurrent(noisy(), 3, 6).graph()
    assert [str(node) for node in graph.nodes[:6]] == [
        "inputs: 16 = x",
        "x_t: D = slice inputs axis=0 start=0 stop=3",
        "u_t.0: 12 = slice inputs axis=0 start=3 stop=15",
        "u_t: K H = reshape u_t.0 shape=(K H)",
        "e_t.0: 1 = slice inputs axis=0 start=15 stop=16",
        "e_t: () = reshape e_t.0 shape=()",
    ]


def test_it_equals_a_loop_with_the_same_numbers() -> None:
    given = problem(noisy())
    x, start = given.x.clone().requires_grad_(), given.state[0].clone().requires_grad_()
    p = {n: getattr(given.layer, f"{n}_l0") for n in Params._fields}
    u = DRAW.per_step("0.0.u_t", 5, 3, 12, x).reshape(5, 3, 2, 6)
    e = DRAW.per_step("0.0.e_t", 5, 3, 1, x)
    h, ys = start[0], list[Tensor]()
    for x_t, u_t, e_t in zip(x, u, e, strict=True):
        n_t = tanh(x_t @ p["W"].t() + h @ p["R"].t() + p["b"] + e_t)
        h = where(u_t[:, 0] < 0.5, n_t, h) * u_t[:, 1]
        ys.append(h)
    y = torch.stack(ys)
    found = derivatives_of(given.loss(y, (h[None],)), [x, start, *p.values()])
    names = ["d_x", "d_state.h", *(f"d_{n}_l0" for n in p)]
    expected = {"y": y, "state.h": h[None], **dict(zip(names, found, strict=True))}
    assert_same(results(given, draw=DRAW), expected, 1e-12)


def test_it_runs_in_compiled_loops_with_one_product_for_the_input() -> None:
    lines = Recurrent(noisy(), 3, 6).explain().splitlines()
    assert lines[1].startswith("runs in compiled loops")
    assert "one product over all steps for W" in lines[2]
    assert "random numbers: 13 a step and sequence, drawn by the layer" in lines


@pytest.mark.parametrize("is_training", [True, False])
def test_rows_may_be_cut_in_a_stack_of_two_directions(is_training: bool) -> None:
    layer = Recurrent(
        noisy(), 3, 6, num_layers=2, bidirectional=True, dtype=torch.float64, masks=[masks.zoneout(h=0.2)]
    )
    layer.train(is_training)
    x, lengths = torch.randn(6, 5, 3, dtype=torch.float64), torch.tensor([6, 2, 5, 6, 1])
    whole, _ = layer(x, lengths=lengths, draw=Draw(9))
    part, _ = layer(x[:, 2:], lengths=lengths[2:], draw=Draw(9, rows=[2, 3, 4]))
    torch.testing.assert_close(part, whole[:, 2:], rtol=0, atol=1e-12)


def test_without_a_draw_every_call_draws_anew_from_torchs_seed_also_in_evaluation() -> None:
    layer, x = Recurrent(noisy(), 3, 6).eval(), torch.randn(6, 5, 3)
    torch.manual_seed(1)
    first, second = layer(x)[0], layer(x)[0]
    torch.manual_seed(1)
    assert torch.equal(layer(x)[0], first)
    assert not torch.equal(first, second)


def test_a_trace_shows_the_steps_variables_and_not_what_was_drawn() -> None:
    layer, x = Recurrent(noisy(), 3, 6), torch.randn(6, 5, 3)
    y, _, trace = layer.trace(x, draw=Draw(1))
    assert trace.names == ("n_t", "h_t")
    torch.testing.assert_close(trace["h_t"], y)


def test_a_stochastic_cell_has_no_stream() -> None:
    with pytest.raises(ConfigError) as error:
        Recurrent(noisy(), 3, 6).stream()
    assert str(error.value) == (
        "Recurrent: stream() of noisy, whose step draws random numbers (u_t), expected a cell without any. Run whole sequences."
    )


def without_axes(p: Params, x_t: Float[Tensor, " D"], s: State, u_t: Tensor) -> tuple[Tensor, State]:
    h_t = tanh(p.W @ x_t + p.R @ s.h + p.b) * u_t
    return h_t, State(h_t)


@pytest.mark.tiny
def test_random_numbers_without_axes_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        Recurrent(noisy(without_axes), 3, 6).graph()
    assert str(error.value) == (
        "noisy.step: u_t: annotated <class 'torch.Tensor'>, expected a shape such as Float[Tensor, \"H D\"]. "
        "Annotate every field with its axes."
    )
