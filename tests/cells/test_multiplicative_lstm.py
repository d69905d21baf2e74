"""Multiplicative LSTM: its two definitions, and the LSTM that it is on an input that multiplies by one."""

import pytest
import torch
from cells.conformance import problem
from cells.limits import assert_same_run, opened, parameters, run, state, zeros

from carrousel import CELLS, Recurrent


@pytest.mark.tiny
@pytest.mark.parametrize("name", ["multiplicative_lstm", "multiplicative_lstm_linear"])
def test_parameters_are_those_of_five_matrices_each_way_and_four_biases(name: str) -> None:
    cell, d, h = CELLS[name], 5, 7
    assert cell.num_parameters(cell.sizes(d, h)) == 5 * d * h + 5 * h * h + 4 * h


def test_an_input_that_multiplies_by_one_leaves_the_lstm() -> None:
    given = problem("multiplicative_lstm", input_size=1)
    p = parameters(given) | {"W_m": torch.ones(6, 1, dtype=torch.float64), "R_m": torch.eye(6, dtype=torch.float64)}
    x = torch.ones_like(given.x)
    assert_same_run(run("multiplicative_lstm", p, x, state(given)), run("lstm", p, x, state(given)))


def test_with_no_cell_input_and_open_output_gates_the_two_definitions_are_one() -> None:
    given = problem("multiplicative_lstm")
    p = parameters(given)
    p |= zeros(p, "W_g", "R_g", "b_g") | {"b_o": opened(p["b_o"]), "b_h": torch.zeros_like(p["b_o"])}
    found = run("multiplicative_lstm_linear", p, given.x, state(given))
    assert_same_run(found, run("multiplicative_lstm", p, given.x, state(given)))


def test_a_linear_cell_input_of_the_matlab_cell_grows_past_one_in_one_step() -> None:
    given = problem("multiplicative_lstm_linear", steps=1, input_size=1)
    p = parameters(given)
    p |= zeros(p, "R_g", "b_h") | {"W_g": torch.full_like(p["W_g"], 9.0)}
    p |= {name: opened(p[name]) for name in ("b_i", "b_o")}
    start = {name: torch.zeros_like(value) for name, value in state(given).items()}
    y, last = run("multiplicative_lstm_linear", p, torch.ones_like(given.x), start)
    torch.testing.assert_close(last["c"], torch.full_like(last["c"], 9.0), rtol=0, atol=1e-14)
    torch.testing.assert_close(y[-1], torch.tanh(last["c"][0]), rtol=0, atol=1e-14)


@pytest.mark.tiny
def test_they_start_as_in_the_authors_codes() -> None:
    """Forget biases 3 in both; orthogonal weights in chainer, N(0, 0.1²) for inputs and N(0, 0.02²) in MATLAB."""
    first, second = (
        Recurrent(name, 40, 40, dtype=torch.float64) for name in ("multiplicative_lstm", "multiplicative_lstm_linear")
    )
    for layer in (first, second):
        assert torch.equal(layer.get_parameter("b_f_l0"), torch.full((40,), 3.0, dtype=torch.float64))
    matrix = first.get_parameter("R_m_l0").detach()
    torch.testing.assert_close(matrix @ matrix.t(), torch.eye(40, dtype=torch.float64), rtol=0, atol=1e-12)
    assert float(second.get_parameter("W_m_l0").detach().std()) == pytest.approx(0.1, rel=0.1)
    assert float(second.get_parameter("R_m_l0").detach().std()) == pytest.approx(0.02, rel=0.1)
