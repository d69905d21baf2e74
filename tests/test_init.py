"""Initialisations of matrices: what they fill, and what they leave."""

import pytest
import torch
from torch import Tensor

from carrousel import Recurrent, init
from carrousel.errors import ConfigError

pytestmark = pytest.mark.tiny


def plain(cell: str, start: init.Initialisation | None = None) -> dict[str, Tensor]:
    """Parameters and constants of a layer, by name."""
    torch.manual_seed(0)
    layer = Recurrent(cell, 3, 6, init=start, dtype=torch.float64)
    return {name.removesuffix("_l0"): value for name, value in layer.state_dict().items()}


def test_orthogonal_fills_the_recurrent_matrices_and_nothing_else() -> None:
    layer, before = plain("lstm", init.orthogonal(gain=2.0)), plain("lstm")
    for a in "ifgo":
        matrix = layer[f"R_{a}"]
        torch.testing.assert_close(matrix @ matrix.t(), 4 * torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-12)
        assert torch.equal(layer[f"W_{a}"], before[f"W_{a}"])
        assert torch.equal(layer[f"b_{a}"], before[f"b_{a}"])
    assert not torch.equal(layer["R_i"], layer["R_f"])


def test_orthogonal_fills_each_of_stacked_matrices() -> None:
    for matrix in plain("array_lstm", init.orthogonal())["R_f"]:
        torch.testing.assert_close(matrix @ matrix.t(), torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-12)


def test_orthogonal_makes_the_fewer_of_rows_and_columns_orthogonal() -> None:
    matrix = plain("lstm", init.orthogonal("W_i"))["W_i"]
    torch.testing.assert_close(matrix.t() @ matrix, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_identity_starts_a_network_that_keeps_its_state() -> None:
    assert torch.equal(plain("elman_relu", init.identity(scale=0.5))["R"], 0.5 * torch.eye(6, dtype=torch.float64))


def test_glorot_keeps_to_its_bounds() -> None:
    layer = plain("lstm", init.glorot())
    for name, bound in (("W_i", (6 / 9) ** 0.5), ("R_i", (6 / 12) ** 0.5)):
        largest = layer[name].abs().max()
        assert 0.7 * bound < largest <= bound


def test_constants_of_a_cell_are_left_alone() -> None:
    assert torch.equal(plain("lmu", init.orthogonal())["A"], plain("lmu")["A"])


@pytest.mark.parametrize(
    ("cell", "start", "message"),
    [
        (
            "lstm_projected",
            init.orthogonal(),
            "orthogonal: the cell has no square matrix, it has W_i, R_i, b_i, W_f, R_f, b_f, W_g, R_g, b_g, W_o, R_o, b_o, W_hr. "
            "Name the matrices to fill.",
        ),
        (
            "elman",
            init.glorot("R_f"),
            "glorot: the cell has no parameter R_f, it has W, R, b. Use a cell with these gates, or another initialisation.",
        ),
    ],
)
def test_a_cell_without_the_matrices_is_refused(cell: str, start: init.Initialisation, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        plain(cell, start)
    assert str(error.value) == message
