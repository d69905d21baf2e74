"""`Recurrent(gradient="truncated")`: the gradient of 1997, against the paper's own formulas and against detached connections."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from cells.conformance import assert_same, derivatives_of, problem, results
from reference import truncated
from reference.arrays import Array, Arrays
from torch import Tensor, sigmoid, tanh

from carrousel import CELLS, Recurrent
from carrousel.engine.carrousel import find_carrousels
from carrousel.errors import ConfigError

Formulas = Callable[[Arrays, Array, Arrays, Array], Arrays]
PAPERS: dict[str, Formulas] = {"lstm_1997": truncated.lstm_1997_gradients, "lstm": truncated.lstm_gradients}
WITH_A_CARROUSEL = (
    "lstm_1997",
    "lstm",
    "peephole_lstm",
    "lstm_projected",
    "gru_reset_after",
    "gru_reset_before",
    "t_rnn",
)
WITHOUT = ("elman", "elman_relu", "indrnn", "t_mr")


def by_formulas(name: str, layer: Recurrent, x: Tensor, state: Sequence[Tensor], w: Tensor) -> dict[str, Array]:
    """The gradient of Σ w y over all rows, parameter by parameter, from the real-time recurrent formulas."""
    p = {n: getattr(layer, f"{n}_l0").detach().numpy() for n in layer.cell.param_axes}
    total: dict[str, Array] = {}
    for row in range(x.shape[1]):
        start = {f: s[0, row].numpy() for f, s in zip(layer.cell.state_axes, state, strict=True)}
        found = PAPERS[name](p, x[:, row].numpy(), start, w[:, row].numpy())
        total = {n: total.get(n, 0) + d for n, d in found.items()}
    return total


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("lstm_1997", {}), ("lstm_1997", {"block_size": 2}), ("lstm_1997", {"block_size": 6}), ("lstm", {})],
)
@pytest.mark.parametrize("steps", [1, 9])
def test_it_equals_the_real_time_recurrent_formulas(name: str, sizes: dict[str, Any], steps: int) -> None:
    given = problem(name, steps=steps, gradient="truncated", **sizes)
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    (given.w_y * y).sum().backward()
    expected = by_formulas(name, given.layer, given.x, given.state, given.w_y)
    assert set(expected) == set(given.layer.cell.param_axes)
    for parameter, value in expected.items():
        found = getattr(given.layer, f"{parameter}_l0").grad.numpy()
        np.testing.assert_allclose(found, value, rtol=0, atol=1e-12 * max(1.0, np.abs(value).max()), err_msg=parameter)


def detached_lstm(p: Any, x_t: Tensor, s: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    h, c = s[0].detach(), s[1]
    i, f, o = (sigmoid(x_t @ p[f"W_{a}"].t() + h @ p[f"R_{a}"].t() + p[f"b_{a}"]) for a in "ifo")
    g = tanh(x_t @ p["W_g"].t() + h @ p["R_g"].t() + p["b_g"])
    c_t = f * c + i * g
    h_t = o * tanh(c_t)
    return h_t, (h_t, c_t)


def detached_peephole_lstm(p: Any, x_t: Tensor, s: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    h, c = s[0].detach(), s[1]
    i, f = (sigmoid(x_t @ p[f"W_{a}"].t() + h @ p[f"R_{a}"].t() + p[f"p_{a}"] * c.detach() + p[f"b_{a}"]) for a in "if")
    g = tanh(x_t @ p["W_g"].t() + h @ p["R_g"].t() + p["b_g"])
    c_t = f * c + i * g
    o = sigmoid(x_t @ p["W_o"].t() + h @ p["R_o"].t() + p["p_o"] * c_t.detach() + p["b_o"])
    h_t = o * tanh(c_t)
    return h_t, (h_t, c_t)


def detached_lstm_1997(p: Any, x_t: Tensor, s: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    y, i_tm1, o_tm1 = s[1].flatten(1).detach(), s[2].detach(), s[3].detach()

    def net(a: str) -> Tensor:
        terms = [(f"W_{a}", x_t), (f"R_{a}", y), (f"Q_{a}i", i_tm1), (f"Q_{a}o", o_tm1)]
        return sum((torch.einsum("...k,bk->b...", p[name], v) for name, v in terms), p[f"b_{a}"])

    i, o = sigmoid(net("i")), sigmoid(net("o"))
    s_t = s[0] + i[..., None] * (4 * sigmoid(net("g")) - 2)
    y_t = o[..., None] * (2 * sigmoid(s_t) - 1)
    return y_t.flatten(1), (s_t, y_t, i, o)


def detached_gru(p: Any, x_t: Tensor, s: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    h = s[0].detach()
    r, z = (sigmoid(x_t @ p[f"W_{a}"].t() + h @ p[f"R_{a}"].t() + p[f"b_{a}"]) for a in "rz")
    n = tanh(x_t @ p["W_n"].t() + (r * h) @ p["R_n"].t() + p["b_n"])
    h_t = (1 - z) * n + z * s[0]
    return h_t, (h_t,)


DETACHED: dict[str, Callable[..., Any]] = {
    "lstm": detached_lstm,
    "peephole_lstm": detached_peephole_lstm,
    "lstm_1997": detached_lstm_1997,
    "gru_reset_before": detached_gru,
}


@pytest.mark.parametrize("name", DETACHED)
def test_it_equals_autograd_with_detached_recurrent_inputs(name: str) -> None:
    sizes: dict[str, Any] = {"block_size": 2} if name == "lstm_1997" else {}
    given = problem(name, steps=9, gradient="truncated", **sizes)
    x = given.x.clone().requires_grad_()
    start = tuple(s.clone().requires_grad_() for s in given.state)
    p = {n: getattr(given.layer, f"{n}_l0") for n in given.layer.cell.param_axes}
    state, ys = tuple(s[0] for s in start), list[Tensor]()
    for x_t in x:
        y_t, state = DETACHED[name](p, x_t, state)
        ys.append(y_t)
    y, last = torch.stack(ys), tuple(s[None] for s in state)
    values = [x, *start, *p.values()]
    derivatives = derivatives_of(given.loss(y, last), values)
    fields = list(given.layer.cell.state_axes)
    names = ["d_x", *(f"d_state.{f}" for f in fields), *(f"d_{n}_l0" for n in p)]
    expected = {"y": y, **{f"state.{f}": s for f, s in zip(fields, last, strict=True)}}
    assert_same(results(given), expected | dict(zip(names, derivatives, strict=True)), 1e-12)


@pytest.mark.parametrize("name", ["lstm", "gru_reset_before"])
def test_outputs_are_those_of_the_full_gradient(name: str) -> None:
    full, cut = results(problem(name)), results(problem(name, gradient="truncated"))
    for value in ("y", *(key for key in full if key.startswith("state."))):
        assert torch.equal(full[value], cut[value])


@pytest.mark.parametrize("name", ["lstm", "lstm_1997", "peephole_lstm", "gru_reset_before"])
def test_it_differs_from_the_full_gradient_by_more_than_rounding(name: str) -> None:
    full, cut = results(problem(name)), results(problem(name, gradient="truncated"))
    parameter = f"d_{next(iter(CELLS[name].param_axes))}_l0"
    assert (full[parameter] - cut[parameter]).abs().max() > 1e-3


def test_a_cell_that_is_all_carrousel_has_nothing_to_cut() -> None:
    assert_same(results(problem("t_rnn", gradient="truncated")), results(problem("t_rnn")), 0)


def test_no_error_reaches_the_start_but_along_the_carrousel() -> None:
    found = results(problem("lstm", gradient="truncated"))
    assert not found["d_state.h"].any()
    assert found["d_state.c"].all()


@pytest.mark.parametrize("name", WITH_A_CARROUSEL)
def test_it_runs_in_compiled_loops(name: str) -> None:
    assert "compiled loops" in Recurrent(name, 3, 6, gradient="truncated").explain()


@pytest.mark.tiny
def test_explain_names_the_cuts() -> None:
    lines = Recurrent("peephole_lstm", 3, 6, gradient="truncated").explain().splitlines()
    assert (
        "gradient: truncated; none flows from i_t, f_t, g_t, o_t into h_tm1; none flows from i_t, f_t into c_tm1; "
        "none flows from o_t into c_t" in lines
    )
    assert not any("truncated" in line for line in Recurrent("peephole_lstm", 3, 6).explain().splitlines())


@pytest.mark.tiny
@pytest.mark.parametrize("name", WITHOUT)
def test_a_cell_without_a_carrousel_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        Recurrent(name, 3, 6, gradient="truncated")
    assert str(error.value) == (
        f"{name}: gradient='truncated' keeps the gradient of a cell state that is carried from step to step by products and sums, "
        "and none of its states (h) is. Use gradient='full', or a cell with a cell state."
    )


@pytest.mark.tiny
def test_another_kind_of_gradient_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        Recurrent("lstm", 3, 6, gradient="truncate")
    assert str(error.value) == (
        "Recurrent: gradient is 'truncate', expected 'full' or 'truncated'. Did you mean 'truncated'?"
    )


CARROUSELS = {
    "lstm": {"c"},
    "lstm_1997": {"s"},
    "peephole_lstm": {"c"},
    "lstm_projected": {"c"},
    "gru_reset_after": {"h"},
    "gru_reset_before": {"h"},
    "jordan": {"s"},
    "elman": set[str](),
}


@pytest.mark.tiny
@pytest.mark.parametrize("name", CARROUSELS)
def test_the_carrousel_is_found_in_the_graph(name: str) -> None:
    assert set(find_carrousels(Recurrent(name, 3, 6).graph())) == CARROUSELS[name]
