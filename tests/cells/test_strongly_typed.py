"""T-RNN, T-LSTM, T-GRU, T-MR and IndRNN: parameter counts and the cells they become in the limit."""

import pytest
import torch
from cells.conformance import problem
from torch import Tensor

from carrousel import CELLS, Recurrent


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "expected"),
    [("t_rnn", 2 * 15 + 3), ("t_lstm", 6 * 15 + 9), ("t_gru", 6 * 15 + 9), ("t_mr", 15 + 6), ("indrnn", 15 + 6)],
)
def test_parameters_are_counted_as_in_the_papers(name: str, expected: int) -> None:
    """I = 5, H = 3: 2IH + H, 6IH + 3H, 6IH + 3H, IH + 2H, IH + 2H."""
    cell = CELLS[name]
    assert cell.num_parameters(cell.sizes(5, 3)) == expected


def zeroed(layer: Recurrent, **values: float) -> Recurrent:
    """The layer with all parameters 0 but those given, which are filled."""
    with torch.no_grad():
        for name, tensor in layer.named_parameters():
            tensor.fill_(values.get(name.removesuffix("_l0"), 0.0))
    return layer


@pytest.mark.parametrize(("name", "field"), [("t_rnn", "h"), ("t_lstm", "c")])
def test_an_open_forget_gate_keeps_the_state_for_ten_thousand_steps(name: str, field: str) -> None:
    """f = σ(60) is 1 in float64, and then 1 - f is 0: the state is carried over bit for bit, whatever the input."""
    layer = zeroed(Recurrent(name, 3, 6, dtype=torch.float64), b_f=60.0, W_z=1.0)
    start = layer.cell.State(*(torch.randn(1, 2, 6, dtype=torch.float64) for _ in layer.cell.state_axes))
    _, last = layer(torch.randn(10_000, 2, 3, dtype=torch.float64), start)
    assert torch.equal(getattr(last, field), getattr(start, field))


def test_an_open_t_gru_integrates_for_ten_thousand_steps() -> None:
    """With f = σ(60) = 1 and z ⊙ o = 0.5 tanh(60) = 0.5 at every step, h_t = h_0 + t/2 exactly."""
    layer = zeroed(Recurrent("t_gru", 3, 6, dtype=torch.float64), b_f=60.0, b_z=0.5, b_o=60.0)
    _, last = layer(torch.randn(10_000, 2, 3, dtype=torch.float64))
    assert torch.equal(last.h, torch.full((1, 2, 6), 5000.0, dtype=torch.float64))


def copied(layer: Recurrent, values: dict[str, Tensor]) -> Recurrent:
    """The layer with parameters of another one, under this one's names."""
    with torch.no_grad():
        for name, tensor in layer.named_parameters():
            tensor.copy_(values[name.removesuffix("_l0")])
    return layer


def parameters_of(layer: Recurrent) -> dict[str, Tensor]:
    return {name.removesuffix("_l0"): tensor.detach() for name, tensor in layer.named_parameters()}


def test_t_mr_and_indrnn_are_the_same_equation() -> None:
    given = problem("t_mr")
    other = copied(Recurrent("indrnn", 3, 6, dtype=torch.float64), parameters_of(given.layer))
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    same, _ = other(given.x, other.cell.State(*given.state))
    torch.testing.assert_close(same, y, rtol=0, atol=1e-14)


def test_t_mr_with_a_diagonal_matrix_is_an_elman_network_with_rectifiers() -> None:
    given = problem("t_mr")
    values = parameters_of(given.layer)
    elman = copied(Recurrent("elman_relu", 3, 6, dtype=torch.float64), values | {"R": torch.diag(values["u"])})
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    same, _ = elman(given.x, elman.cell.State(*given.state))
    torch.testing.assert_close(same, y, rtol=1e-15, atol=1e-14)  # values grow to 100, whose last place is worth 1.4e-14


def test_t_rnn_is_min_gru_with_the_gate_turned_round() -> None:
    """f = σ(a) keeps the old state, z = σ(-a) = 1 - f takes the new one."""
    given = problem("t_rnn")
    p = parameters_of(given.layer)
    values = {"W_z": -p["W_f"], "b_z": -p["b_f"], "W_h": p["W_z"], "b_h": torch.zeros(6, dtype=torch.float64)}
    other = copied(Recurrent("min_gru", 3, 6, dtype=torch.float64), values)
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    same, _ = other(given.x, other.cell.State(*given.state))
    torch.testing.assert_close(same, y, rtol=0, atol=1e-14)


def test_the_two_input_cells_remember_the_last_input_across_a_split() -> None:
    """Without W they see x_{t-1} alone: the first output after a split depends on the last input before it."""
    given = problem("t_lstm")
    with torch.no_grad():
        for name in "zfo":
            getattr(given.layer, f"W_{name}_l0").zero_()
    start = given.layer.cell.State(*given.state)
    _, middle = given.layer(given.x[:3], start)
    after, _ = given.layer(torch.zeros_like(given.x[:1]), middle)
    changed = given.x[:3].clone()
    changed[2] += 1
    _, moved = given.layer(changed, start)
    other, _ = given.layer(torch.zeros_like(given.x[:1]), moved)
    assert (after - other).abs().max() > 1e-2
    changed = given.x.clone()
    changed[4] += 1
    assert torch.equal(given.layer(changed, start)[0][4], given.layer(given.x, start)[0][4])


@pytest.mark.tiny
def test_indrnn_starts_as_in_its_paper() -> None:
    layer = Recurrent("indrnn", 100, 2000)
    p = parameters_of(layer)
    assert 0 <= float(p["u"].min()) < 0.01
    assert 0.99 < float(p["u"].max()) <= 1
    assert float(p["W"].abs().max()) == pytest.approx((6 / 65 / 100) ** 0.5, rel=1e-3)
    assert torch.equal(p["b"], torch.zeros(2000))
