"""SRU: parameter counts, its two versions, and the highway with and without its matrix."""

import re

import pytest
import torch
from cells.conformance import Problem, problem
from torch import Tensor

from carrousel import CELLS, Recurrent
from carrousel.errors import ConfigError


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sru_v1", 3 * 16 + 2 * 4),
        ("sru", 3 * 16 + 4 * 4),
        ("sru_v1_projected", 4 * 16 + 2 * 4),
        ("sru_projected", 4 * 16 + 4 * 4),
    ],
)
def test_parameters_are_counted_as_in_the_paper(name: str, expected: int) -> None:
    """I = H = 4: 3IH + 2H and 3IH + 4H, and IH more for a matrix on the highway; the scale α is no parameter."""
    cell = CELLS[name]
    assert cell.num_parameters(cell.sizes(4, 4)) == expected


def parameters_of(layer: Recurrent) -> dict[str, Tensor]:
    return {name.removesuffix("_l0"): tensor.detach() for name, tensor in layer.named_parameters()}


def outputs(given: Problem, name: str, values: dict[str, Tensor]) -> Tensor:
    """What another cell puts out on the same input and state, with these parameters."""
    layer = Recurrent(name, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        for parameter, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
            tensor.copy_(values[parameter.removesuffix("_l0")])
    return layer(given.x, layer.cell.State(*given.state))[0]


def expected(given: Problem) -> Tensor:
    return given.layer(given.x, given.layer.cell.State(*given.state))[0]


@pytest.mark.parametrize("name", ["sru", "sru_v1"])
def test_a_multiple_of_the_identity_on_the_highway_is_no_projection(name: str) -> None:
    given = problem(name, input_size=6)
    alpha = float(given.layer.get_buffer("alpha_l0")) if name == "sru" else 1.0
    values = parameters_of(given.layer) | {"W_x": alpha * torch.eye(6, dtype=torch.float64)}
    torch.testing.assert_close(outputs(given, f"{name}_projected", values), expected(given), rtol=0, atol=1e-14)


def test_gates_that_do_not_look_at_the_cell_state_are_the_first_versions() -> None:
    """The first version with its tanh taken away: the highway gate shut for c makes both put out (1 - r) x."""
    given = problem("sru_v1", input_size=6)
    with torch.no_grad():
        given.layer.get_parameter("b_r_l0").fill_(-60.0)
        given.layer.get_parameter("W_r_l0").zero_()
    assert torch.equal(expected(given), given.x)
    values = parameters_of(given.layer) | {"v_f": torch.zeros(6), "v_r": torch.zeros(6), "alpha": torch.ones(())}
    assert torch.equal(outputs(given, "sru", values), given.x)


@pytest.mark.tiny
def test_the_highway_scale_is_the_root_of_three() -> None:
    """α = √(1 + 2 exp(b)) at highway biases b = 0."""
    assert float(Recurrent("sru", 4, 4, dtype=torch.float64).get_buffer("alpha_l0")) == 3**0.5


@pytest.mark.tiny
def test_inputs_of_another_size_need_the_projected_cell() -> None:
    message = (
        "H=4 and D=3, expected the same size: the step adds x_t itself to its units. Choose equal sizes, "
        "or map x_t to as many features first (model.input_features, in models of series)."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Recurrent("sru", 3, 4)
