"""Array-LSTM: counts, one lane, and how lanes are chosen."""

import re

import pytest
import torch
from cells.conformance import problem, results
from cells.limits import assert_same_run, parameters, run, state
from torch import Tensor

from carrousel import CELLS, Draw, Recurrent
from carrousel.errors import ConfigError

PLAIN = ["array_lstm", "array_lstm_pooled", "array_lstm_stochastic"]
SELECTING = ["array_lstm_soft", "array_lstm_soft_logits", "array_lstm_max", "array_lstm_hard", "array_lstm_semi_hard"]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "gates"),
    [*((name, 4) for name in [*PLAIN, "array_lstm_stochastic_half"]), *((name, 5) for name in SELECTING)],
)
def test_parameters_are_counted_as_in_the_paper(name: str, gates: int) -> None:
    cell, d, h = CELLS[name], 5, 7
    assert cell.num_parameters(cell.sizes(d, h, lanes=4)) == gates * 4 * (d * h + h * h + h)


@pytest.mark.tiny
@pytest.mark.parametrize(("lanes", "hidden", "millions"), [(1, 4_000, 69.1), (2, 2_800, 69.2)])
def test_the_models_of_the_paper_have_its_size(lanes: int, hidden: int, millions: float) -> None:
    """Rocki 2016: bytes of Wikipedia; the count that stands beside its "approximately 66 M" has the softmax in it."""
    cell, symbols = CELLS["array_lstm"], 256
    softmax = symbols * hidden + symbols
    assert round((cell.num_parameters(cell.sizes(symbols, hidden, lanes=lanes)) + softmax) / 1e6, 1) == millions


@pytest.mark.parametrize("name", [*PLAIN, *SELECTING])
def test_one_lane_is_the_lstm(name: str) -> None:
    """Where a forget gate of 1 erases, σ(-z) = 1 - σ(z) turns it round."""
    given = problem(name, lanes=1)
    p, start = parameters(given), state(given)
    values = {key: value[0] for key, value in p.items()}
    if name in SELECTING:
        values |= {key: -values[key] for key in ("W_f", "R_f", "b_f")}
    y, last = run(name, p, given.x, start, lanes=1)
    expected = run("lstm", values, given.x, start | {"c": start["c"][:, :, 0]})
    assert_same_run((y, last | {"c": last["c"][:, :, 0]}), expected)


@pytest.mark.parametrize("name", ["array_lstm", "array_lstm_soft", "array_lstm_max"])
def test_lanes_have_no_order(name: str) -> None:
    given = problem(name, lanes=3)
    p, start = parameters(given), state(given)
    y, last = run(name, p, given.x, start, lanes=3)
    turned = {key: value.roll(1, 0) for key, value in p.items()}
    found, end = run(name, turned, given.x, start | {"c": start["c"].roll(1, 2)}, lanes=3)
    torch.testing.assert_close(found, y, rtol=0, atol=1e-14)
    torch.testing.assert_close(end["c"].roll(-1, 2), last["c"], rtol=0, atol=1e-14)


def chosen(name: str, lanes: int, biases: dict[str, list[float]] | None = None) -> Tensor:
    """Which lanes 3 rows of 200 units choose in 10 steps without weights: (T, B, K, H) of 0 and 1."""
    layer = Recurrent(name, 1, 200, lanes=lanes, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        for bias, values in (biases or {}).items():
            layer.get_parameter(f"{bias}_l0").copy_(torch.tensor(values)[:, None])
    _, _, trace = layer.trace(torch.zeros(10, 3, 1, dtype=torch.float64), draw=Draw(3))
    return trace["m_t"]


def test_a_stochastic_array_chooses_one_lane_evenly() -> None:
    """6000 draws of three lanes: a share has the standard deviation √(1/3 · 2/3 / 6000) = 0.0061; allowed are four."""
    lanes = chosen("array_lstm_stochastic", 3)
    assert torch.equal(lanes.sum(2), torch.ones(10, 3, 200, dtype=torch.float64))
    torch.testing.assert_close(lanes.mean((0, 1, 3)), torch.full((3,), 1 / 3, dtype=torch.float64), rtol=0, atol=0.025)


def test_half_a_stochastic_array_is_one_lane_of_each_pair() -> None:
    """12,000 draws: a share has the standard deviation √(1/4 / 6000) = 0.0065."""
    lanes = chosen("array_lstm_stochastic_half", 4)
    both = torch.ones(10, 3, 200, dtype=torch.float64)
    assert torch.equal(lanes[:, :, 0] + lanes[:, :, 1], both)
    assert torch.equal(lanes[:, :, 2] + lanes[:, :, 3], both)
    torch.testing.assert_close(lanes.mean((0, 1, 3)), torch.full((4,), 0.5, dtype=torch.float64), rtol=0, atol=0.026)


@pytest.mark.parametrize(
    ("name", "bias"), [("array_lstm_pooled", "b_o"), ("array_lstm_hard", "b_s"), ("array_lstm_semi_hard", "b_s")]
)
def test_lanes_are_drawn_from_the_softmax_of_what_passed_the_squashing(name: str, bias: str) -> None:
    """Rocki 2016, equations 4.1, 4.2 and 5.1."""
    lanes = chosen(name, 3, {bias: [-4.0, 0.0, 4.0]})
    expected = torch.softmax(torch.sigmoid(torch.tensor([-4.0, 0.0, 4.0], dtype=torch.float64)), 0)
    assert torch.equal(lanes.sum(2), torch.ones(10, 3, 200, dtype=torch.float64))
    torch.testing.assert_close(lanes.mean((0, 1, 3)), expected, rtol=0, atol=0.026)


def test_semi_hard_attention_has_the_values_of_hard_and_in_one_step_the_derivatives_of_soft_attention() -> None:
    semi, hard, soft = (
        results(problem(name, steps=1)) for name in ("array_lstm_semi_hard", "array_lstm_hard", "array_lstm_soft")
    )
    for key, value in semi.items():
        torch.testing.assert_close(value, (soft if key.startswith("d_") else hard)[key], rtol=0, atol=1e-14)
    assert (hard["d_W_f_l0"] - soft["d_W_f_l0"]).abs().max() > 1e-3


@pytest.mark.tiny
def test_an_odd_number_of_lanes_has_no_pairs() -> None:
    message = "array_lstm_stochastic_half: lanes=3, expected an even number, because lanes work in pairs. Use lanes=4."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Recurrent("array_lstm_stochastic_half", 3, 5, lanes=3)
    none = "array_lstm_stochastic_half: lanes is 0, expected at least 1. Choose a larger size."
    with pytest.raises(ConfigError, match=f"^{re.escape(none)}$"):
        Recurrent("array_lstm_stochastic_half", 3, 5, lanes=0)


@pytest.mark.tiny
def test_forget_gates_start_open_in_either_sense() -> None:
    assert torch.equal(Recurrent("array_lstm", 3, 5).get_parameter("b_f_l0"), torch.ones(2, 5))
    assert torch.equal(Recurrent("array_lstm_soft", 3, 5).get_parameter("b_f_l0"), -torch.ones(2, 5))
