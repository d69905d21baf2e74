"""minGRU and minLSTM: parameter counts, when they are the same, and the positive candidate in logarithms."""

import pytest
import torch
from cells.conformance import problem
from torch import Tensor
from torch.nn.functional import softplus

from carrousel import CELLS, Recurrent
from carrousel.cells.min_rnns import g


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "expected"),
    [("min_gru", 36), ("min_gru_positive", 36), ("min_lstm", 54), ("min_lstm_positive", 54)],
)
def test_parameters_are_counted_as_in_the_paper(name: str, expected: int) -> None:
    """I = 5, H = 3: 2(IH + H) and 3(IH + H)."""
    cell = CELLS[name]
    assert cell.num_parameters(cell.sizes(5, 3)) == expected


def parameters_of(layer: Recurrent) -> dict[str, Tensor]:
    return {name.removesuffix("_l0"): tensor.detach() for name, tensor in layer.named_parameters()}


@pytest.mark.parametrize("suffix", ["", "_positive"])
def test_min_lstm_with_complementary_gates_is_min_gru(suffix: str) -> None:
    """f = σ(-a) and i = σ(a) sum to 1, so that sharing out changes nothing and i is minGRU's z."""
    given = problem(f"min_gru{suffix}")
    p = parameters_of(given.layer)
    values = {"W_f": -p["W_z"], "b_f": -p["b_z"], "W_i": p["W_z"], "b_i": p["b_z"], "W_h": p["W_h"], "b_h": p["b_h"]}
    other = Recurrent(f"min_lstm{suffix}", 3, 6, dtype=torch.float64)
    with torch.no_grad():
        for name, tensor in other.named_parameters():
            tensor.copy_(values[name.removesuffix("_l0")])
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    same, _ = other(given.x, other.cell.State(*given.state))
    torch.testing.assert_close(same, y, rtol=0, atol=1e-14)


@pytest.mark.tiny
def test_the_positive_candidate_is_continuous_increasing_and_positive() -> None:
    a = torch.tensor([-700.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0], dtype=torch.float64)
    values = g(a)
    assert float(values[0]) > 0
    assert torch.equal(values.sort().values, values)
    torch.testing.assert_close(values[3:6], torch.full((3,), 0.5, dtype=torch.float64), rtol=0, atol=2e-9)
    assert float(values[6]) == 1.5


def test_the_positive_cell_equals_the_papers_logarithmic_form_from_a_state_that_is_not_zero() -> None:
    """h_t = exp(log-sum-exp of log h_0 and of log z_k + log g_k, each with the log (1 - z) of the steps after it)."""
    given = problem("min_gru_positive", steps=6)
    given.state[0].abs_().add_(0.1)
    p = parameters_of(given.layer)
    k, v = given.x @ p["W_z"].T + p["b_z"], given.x @ p["W_h"].T + p["b_h"]
    log_g = torch.where(v >= 0, torch.log(torch.relu(v) + 0.5), -softplus(-v))
    log_values = torch.cat([given.state[0].log(), -softplus(-k) + log_g])
    log_keeps = torch.cat([torch.zeros_like(k[:1]), -softplus(k)]).cumsum(0)
    expected = (log_keeps + torch.logcumsumexp(log_values - log_keeps, dim=0)).exp()[1:]
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    torch.testing.assert_close(y, expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", ["min_gru", "min_lstm"])
def test_a_shut_cell_keeps_its_state_for_ten_thousand_steps(name: str) -> None:
    """z = σ(-800) = 0 in float64; f / (f + i) with f = 1 and i = 0 is 1."""
    layer = Recurrent(name, 3, 6, dtype=torch.float64)
    values = {"b_z": -800.0, "b_i": -800.0, "b_f": 60.0, "W_h": 1.0}
    with torch.no_grad():
        for parameter, tensor in layer.named_parameters():
            tensor.fill_(values.get(parameter.removesuffix("_l0"), 0.0))
    start = layer.cell.State(torch.randn(1, 2, 6, dtype=torch.float64))
    _, last = layer(torch.randn(10_000, 2, 3, dtype=torch.float64), start)
    assert torch.equal(last.h, start.h)
