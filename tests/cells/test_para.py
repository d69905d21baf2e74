"""ParaGRU and ParaLSTM: parameter counts, heads, and the dense cells that they are with diagonal matrices."""

import re

import pytest
import torch
from cells.conformance import Problem, problem
from torch import Tensor

from carrousel import CELLS, Recurrent
from carrousel.errors import ConfigError


@pytest.mark.tiny
@pytest.mark.parametrize("num_heads", [1, 2, 6])
def test_parameters_are_counted_as_in_the_paper(num_heads: int) -> None:
    """I = 12, H = 6: 3IH / heads + 6H and 3IH / heads + 8H."""
    for name, vectors in (("para_gru", 6), ("para_lstm", 8)):
        cell = CELLS[name]
        assert cell.num_parameters(cell.sizes(12, 6, num_heads=num_heads)) == 3 * 72 // num_heads + vectors * 6


def parameters_of(layer: Recurrent) -> dict[str, Tensor]:
    return {name.removesuffix("_l0"): tensor.detach() for name, tensor in layer.named_parameters()}


def outputs(given: Problem, name: str, values: dict[str, Tensor]) -> Tensor:
    """What another cell puts out on the same input and state, with these parameters."""
    layer = Recurrent(name, 3, 6, dtype=torch.float64)
    with torch.no_grad():
        for parameter, tensor in layer.named_parameters():
            tensor.copy_(values[parameter.removesuffix("_l0")])
    return layer(given.x, layer.cell.State(*given.state))[0]


def expected(given: Problem) -> Tensor:
    return given.layer(given.x, given.layer.cell.State(*given.state))[0]


@pytest.mark.parametrize("name", ["para_gru", "para_lstm"])
def test_heads_are_the_blocks_of_a_block_diagonal_matrix(name: str) -> None:
    given = problem(name, num_heads=3)
    values = parameters_of(given.layer)
    joined: dict[str, Tensor] = {
        key: torch.block_diag(*value)[None] for key, value in values.items() if key.startswith("B_")
    }
    torch.testing.assert_close(outputs(given, name, values | joined), expected(given), rtol=0, atol=1e-14)


def test_para_gru_is_a_gru_with_diagonal_recurrent_matrices_and_the_update_gate_turned_round() -> None:
    given = problem("para_gru")
    p = parameters_of(given.layer)
    values = {
        f"{kind}_{gate}": sign * value
        for gate, sign in (("z", -1), ("r", 1), ("n", 1))
        for kind, value in (("W", p[f"B_{gate}"][0]), ("R", torch.diag(p[f"a_{gate}"])), ("b", p[f"b_{gate}"]))
    }
    torch.testing.assert_close(outputs(given, "gru_reset_before", values), expected(given), rtol=0, atol=1e-14)


def test_para_lstm_is_a_peephole_lstm_with_diagonal_recurrent_matrices_and_coupled_gates() -> None:
    """The input gate σ(-a) is 1 - σ(a), one minus the forget gate."""
    given = problem("para_lstm")
    p = parameters_of(given.layer)
    values = {
        f"{kind}_{gate}": sign * value
        for gate, source, sign in (("f", "f", 1), ("i", "f", -1), ("g", "z", 1), ("o", "o", 1))
        for kind, value in (("W", p[f"B_{source}"][0]), ("R", torch.diag(p[f"a_{source}"])), ("b", p[f"b_{source}"]))
    } | {"p_f": p["c_f"], "p_i": -p["c_f"], "p_o": p["c_o"]}
    torch.testing.assert_close(outputs(given, "peephole_lstm", values), expected(given), rtol=0, atol=1e-14)


@pytest.mark.tiny
def test_heads_that_do_not_divide_the_sizes_are_refused() -> None:
    message = "D=3 cannot be divided into parts of N=2, expected a multiple. Choose sizes that divide."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Recurrent("para_gru", 3, 6, num_heads=2)


@pytest.mark.tiny
def test_cells_start_as_the_authors_do() -> None:
    """Their defaults: the first gate's biases from 0 down to -1 in equal steps, the other biases 0."""
    for name, first, others in (("para_gru", "b_z", ("b_r", "b_n")), ("para_lstm", "b_f", ("b_z", "b_o"))):
        layer = Recurrent(name, 3, 5, dtype=torch.float64)
        expected_biases = torch.tensor([0, -0.25, -0.5, -0.75, -1], dtype=torch.float64)
        torch.testing.assert_close(layer.get_parameter(f"{first}_l0").detach(), expected_biases, rtol=0, atol=1e-15)
        assert all(torch.equal(layer.get_parameter(f"{b}_l0"), torch.zeros(5, dtype=torch.float64)) for b in others)
