"""Nested LSTM: the counts of the paper's table, and the LSTM that one level is."""

import re

import pytest
import torch
from cells.conformance import problem
from cells.limits import assert_same_run, parameters, run

from carrousel import CELLS, Recurrent
from carrousel.errors import ConfigError


@pytest.mark.tiny
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_parameters_are_counted_as_in_the_paper(depth: int) -> None:
    cell, d, h = CELLS["nested_lstm"], 5, 7
    expected = 4 * (d * h + h * h + h) + (depth - 1) * 4 * (2 * h * h + h)
    assert cell.num_parameters(cell.sizes(d, h, depth=depth)) == expected


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "inputs", "hidden", "outputs", "expected"),
    [
        pytest.param("nested_lstm", 50, 600, 50, 4_474_850, id="Penn Treebank characters, 4.47 M"),
        pytest.param("lstm", 50, 1000, 50, 4_254_050, id="Penn Treebank characters, LSTM, 4.25 M"),
        pytest.param("nested_lstm", 27, 1200, 27, 17_451_627, id="text8, 17.45 M"),
        pytest.param("nested_lstm", 49, 75, 10, 83_560, id="MNIST glimpses, 83.6 k"),
        pytest.param("lstm", 49, 100, 10, 61_010, id="MNIST glimpses, LSTM, 61.0 k"),
    ],
)
def test_models_with_a_softmax_have_the_parameters_of_the_papers_table(
    name: str, inputs: int, hidden: int, outputs: int, expected: int
) -> None:
    """Moniz and Krueger 2017, one-hot symbols or 49 pixels in, a softmax with biases out."""
    cell = CELLS[name]
    assert cell.num_parameters(cell.sizes(inputs, hidden)) + hidden * outputs + outputs == expected


def test_one_level_is_the_lstm() -> None:
    given = problem("nested_lstm", depth=1)
    p = parameters(given)
    values = {name: value if name[0] == "W" else value[0] for name, value in p.items() if name[0] != "V"}
    h, c = given.state
    y, last = run("nested_lstm", p, given.x, {"h": h, "c": c}, depth=1)
    assert_same_run(
        (y, {"h": last["h"], "c": last["c"][:, :, 0]}), run("lstm", values, given.x, {"h": h, "c": c[:, :, 0]})
    )


def test_the_memory_of_a_level_is_the_output_of_the_level_inside() -> None:
    """With inner gates open and no weights inside but a unit candidate: c̃ = i ⊙ tanh(x̃) + f ⊙ c̃ by hand, h̃ = tanh(c̃)."""
    given = problem("nested_lstm", steps=1)
    p = parameters(given)
    for gate in "ifo":
        for kind in "VR":
            p[f"{kind}_{gate}"][-1] = 0
        p[f"b_{gate}"][-1] = 200.0
    p["V_g"][0] = torch.eye(6)
    p["R_g"][1], p["b_g"][1] = 0, 0
    h, c = given.state
    x, h_tm1, c_tm1 = given.x[0], h[0], c[0]

    def net(gate: str) -> torch.Tensor:
        return x @ p[f"W_{gate}"].t() + h_tm1 @ p[f"R_{gate}"][0].t() + p[f"b_{gate}"][0]

    inner = c_tm1[:, 1] + torch.tanh(torch.sigmoid(net("i")) * net("g"))
    outer = torch.tanh(inner)
    y, last = run("nested_lstm", p, given.x, {"h": h, "c": c})
    torch.testing.assert_close(last["c"][0], torch.stack([outer, inner], dim=1), rtol=0, atol=1e-14)
    torch.testing.assert_close(y[0], torch.sigmoid(net("o")) * torch.tanh(outer), rtol=0, atol=1e-14)


@pytest.mark.tiny
def test_a_nest_without_levels_is_refused() -> None:
    message = "nested_lstm: depth is 0, expected at least 1. Choose a larger size."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Recurrent("nested_lstm", 3, 5, depth=0)


@pytest.mark.tiny
def test_recurrent_and_inner_matrices_start_orthogonal_and_forget_gates_open() -> None:
    layer = Recurrent("nested_lstm", 3, 5, depth=3, dtype=torch.float64)
    for name in ("V_g", "R_i"):
        for matrix in layer.get_parameter(f"{name}_l0").detach():
            torch.testing.assert_close(matrix @ matrix.t(), torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-12)
    assert torch.equal(layer.get_parameter("b_f_l0"), torch.ones(3, 5, dtype=torch.float64))
