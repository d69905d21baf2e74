"""Neural tensor networks with gates: the counts of the paper, and the GRU and LSTM without the tensor."""

import pytest
import torch
from cells.conformance import problem
from cells.limits import Values, assert_same_run, parameters, run, state, zeros

from carrousel import CELLS, Recurrent


def turned_round(p: Values) -> Values:
    """For `gru_reset_before`, whose update gate carries the old state."""
    return p | {f"{kind}_z": -p[f"{kind}_z"] for kind in "WRb"}


@pytest.mark.tiny
@pytest.mark.parametrize(("name", "gates"), [("gru_rntn", 3), ("lstm_rntn", 4)])
def test_the_tensor_adds_the_input_size_times_the_squared_hidden_size(name: str, gates: int) -> None:
    cell, d, h = CELLS[name], 5, 7
    assert cell.num_parameters(cell.sizes(d, h)) == gates * (d * h + h * h + h) + d * h * h


@pytest.mark.tiny
@pytest.mark.parametrize(("name", "expected"), [("gru_rntn", 12_534_288), ("lstm_rntn", 12_632_848)])
def test_word_models_have_the_sizes_of_the_paper(name: str, expected: int) -> None:
    """Tjandra et al. 2016: 10,000 words embedded in 128 numbers, 256 units, a softmax: about 12 M and 13 M parameters."""
    cell = CELLS[name]
    assert 10_000 * 128 + cell.num_parameters(cell.sizes(128, 256)) + (256 + 1) * 10_000 == expected


def test_without_the_tensor_they_are_gru_and_lstm() -> None:
    given = problem("gru_rntn")
    p = parameters(given)
    found = run("gru_rntn", p | zeros(p, "T"), given.x, state(given))
    assert_same_run(found, run("gru_reset_before", turned_round(p), given.x, state(given)))
    given = problem("lstm_rntn")
    p = parameters(given)
    found = run("lstm_rntn", p | zeros(p, "T"), given.x, state(given))
    assert_same_run(found, run("lstm", p, given.x, state(given)))


def test_on_a_single_input_of_one_the_tensor_is_one_more_recurrent_matrix() -> None:
    given = problem("gru_rntn", input_size=1)
    p, x = parameters(given), torch.ones_like(given.x)
    values = turned_round(p | {"R_n": p["R_n"] + p["T"][:, 0]})
    found = run("gru_rntn", p, x, state(given))
    assert_same_run(found, run("gru_reset_before", values, x, state(given)))
    given = problem("lstm_rntn", input_size=1)
    p = parameters(given)
    values = p | {"R_g": p["R_g"] + p["T"][:, 0]}
    assert_same_run(run("lstm_rntn", p, x, state(given)), run("lstm", values, x, state(given)))


@pytest.mark.tiny
def test_every_slice_of_the_tensor_starts_orthogonal() -> None:
    tensor = Recurrent("gru_rntn", 3, 5, dtype=torch.float64).get_parameter("T_l0").detach()
    identity = torch.eye(3, dtype=torch.float64).expand(5, 3, 3)
    torch.testing.assert_close(tensor @ tensor.transpose(1, 2), identity, rtol=0, atol=1e-12)
