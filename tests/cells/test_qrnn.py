"""QRNN: parameter counts, widths and poolings that become one another, and the turned gate of the authors' code."""

import pytest
import torch
from cells.conformance import Problem, problem
from torch import Tensor

from carrousel import CELLS, Recurrent


@pytest.mark.tiny
@pytest.mark.parametrize(("gates", "name"), [(2, "qrnn_f"), (3, "qrnn_fo"), (4, "qrnn_ifo")])
def test_parameters_are_counted_as_in_the_paper(gates: int, name: str) -> None:
    """I = 5, H = 3: kIH + H for each of the candidate and the gates."""
    wide, narrow = CELLS[name], CELLS[f"{name}_width_1"]
    assert wide.num_parameters(wide.sizes(5, 3)) == gates * (2 * 15 + 3)
    assert narrow.num_parameters(narrow.sizes(5, 3)) == gates * (15 + 3)


def parameters_of(layer: Recurrent) -> dict[str, Tensor]:
    return {name.removesuffix("_l0"): tensor.detach() for name, tensor in layer.named_parameters()}


def outputs(given: Problem, name: str, values: dict[str, Tensor], state: tuple[Tensor, ...]) -> Tensor:
    """What another cell puts out on the same input, with these parameters and this state."""
    layer = Recurrent(name, 3, 6, dtype=torch.float64)
    with torch.no_grad():
        for parameter, tensor in layer.named_parameters():
            tensor.copy_(values[parameter.removesuffix("_l0")])
    return layer(given.x, layer.cell.State(*state))[0]


def expected(given: Problem) -> Tensor:
    return given.layer(given.x, given.layer.cell.State(*given.state))[0]


@pytest.mark.parametrize("name", ["qrnn_f", "qrnn_fo", "qrnn_ifo"])
def test_without_the_previous_input_the_width_is_1(name: str) -> None:
    given = problem(f"{name}_width_1")
    values = parameters_of(given.layer)
    widened = values | {f"V_{key[2:]}": torch.zeros(6, 3) for key in values if key.startswith("W_")}
    gates = [torch.zeros_like(given.state[0]) for key in values if key.startswith("W_")]
    torch.testing.assert_close(
        outputs(given, name, widened, (given.state[0], *gates)), expected(given), rtol=0, atol=1e-14
    )


def test_ifo_pooling_with_the_gates_coupled_is_fo_pooling() -> None:
    """The input gate σ(-a) is 1 - σ(a), one minus the forget gate."""
    given = problem("qrnn_fo")
    values = parameters_of(given.layer)
    coupled = values | {f"{kind}_i": -values[f"{kind}_f"] for kind in ("V", "W", "b")}
    state = (*given.state, -given.state[2])
    torch.testing.assert_close(outputs(given, "qrnn_ifo", coupled, state), expected(given), rtol=0, atol=1e-14)


def test_fo_pooling_with_the_output_gate_open_is_f_pooling() -> None:
    given = problem("qrnn_f")
    opened = {"V_o": torch.zeros(6, 3), "W_o": torch.zeros(6, 3), "b_o": torch.full((6,), 60.0)}
    state = (*given.state, torch.zeros_like(given.state[0]))
    torch.testing.assert_close(
        outputs(given, "qrnn_fo", parameters_of(given.layer) | opened, state), expected(given), rtol=0, atol=1e-14
    )


def test_the_forget_gate_keeps_the_state_as_in_the_paper_and_not_as_in_the_code() -> None:
    """The paper's h_t = f ⊙ h_{t-1} + (1 - f) ⊙ z; in pytorch-qrnn h_t = f ⊙ z + (1 - f) ⊙ h_{t-1}."""
    given = problem("qrnn_f_width_1", steps=1)
    with torch.no_grad():
        given.layer.get_parameter("W_f_l0").zero_()
        given.layer.get_parameter("b_f_l0").fill_(60.0)
    assert torch.equal(expected(given)[0], given.state[0][0])


def test_an_open_ifo_cell_integrates_for_ten_thousand_steps() -> None:
    """With f = i = o = σ(60) = 1 and z = tanh(60) = 1 in float64, c_t = t exactly."""
    layer = Recurrent("qrnn_ifo", 3, 6, dtype=torch.float64)
    with torch.no_grad():
        for name, tensor in layer.named_parameters():
            tensor.fill_(60.0 if name.startswith("b_") else 0.0)
    y, last = layer(torch.randn(10_000, 2, 3, dtype=torch.float64))
    assert torch.equal(y[:, 0, 0], torch.arange(1, 10_001, dtype=torch.float64))
    assert torch.equal(last.c, torch.full((1, 2, 6), 1e4, dtype=torch.float64))
