"""Rational recurrences: parameter counts, how the automata contain one another, and their scores summed path by path."""

import itertools

import pytest
import torch
from cells.conformance import problem
from torch import Tensor

from carrousel import CELLS, Recurrent


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "expected"),
    [("rrnn_b", 3 * 15 + 6), ("rrnn_b_max_plus", 3 * 15 + 6), ("rrnn_c", 5 * 15 + 9), ("rrnn_f", 5 * 15 + 18)],
)
def test_parameters_are_counted_as_in_the_paper(name: str, expected: int) -> None:
    """I = 5, H = 3: 3IH + 2H for B, 5IH + 3H for C, and three more H-vectors for F."""
    cell = CELLS[name]
    assert cell.num_parameters(cell.sizes(5, 3)) == expected


def parameters_of(layer: Recurrent) -> dict[str, Tensor]:
    return {name.removesuffix("_l0"): tensor.detach() for name, tensor in layer.named_parameters()}


def outputs(x: Tensor, name: str, values: dict[str, Tensor], state: tuple[Tensor, ...]) -> Tensor:
    layer = Recurrent(name, 3, 6, dtype=torch.float64)
    with torch.no_grad():
        for parameter, tensor in layer.named_parameters():
            tensor.copy_(values[parameter.removesuffix("_l0")])
    return layer(x, layer.cell.State(*state))[0]


def full(value: float) -> Tensor:
    return torch.full((6,), value, dtype=torch.float64)


def test_f_whose_last_state_alone_is_final_is_c() -> None:
    """σ(-800) = 0 for the free arc and for the middle state, σ(800) = 1 for the last one."""
    given = problem("rrnn_c")
    values = parameters_of(given.layer) | {"epsilon": full(-800), "rho1": full(-800), "rho2": full(800)}
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    torch.testing.assert_close(outputs(given.x, "rrnn_f", values, given.state), y, rtol=0, atol=1e-14)


def test_f_whose_middle_state_alone_is_final_is_b() -> None:
    given = problem("rrnn_f")
    values = parameters_of(given.layer) | {"rho1": full(800), "rho2": full(-800)}
    b = {
        "W_f": values["W_f1"],
        "b_f": values["b_f1"],
        "W_u": values["W_u1"],
        "W_o": values["W_o"],
        "b_o": values["b_o"],
    }
    expected = outputs(given.x, "rrnn_b", b, given.state[:1])
    torch.testing.assert_close(outputs(given.x, "rrnn_f", values, given.state), expected, rtol=0, atol=1e-14)


def test_b_is_t_rnn_behind_an_output_gate() -> None:
    """The same core: c = f ⊙ c + (1 - f) ⊙ W_u x; h = tanh(o ⊙ c)."""
    given = problem("rrnn_b")
    p = parameters_of(given.layer)
    c = outputs(given.x, "t_rnn", {"W_z": p["W_u"], "W_f": p["W_f"], "b_f": p["b_f"]}, given.state)
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    expected = torch.tanh(torch.sigmoid(given.x @ p["W_o"].T + p["b_o"]) * c[:, :])
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-14)


def test_c_is_the_sum_over_all_pairs_of_tokens() -> None:
    """Σ over j < k of u1_j (Π f1 between them) u2_k (Π f2 after them), from a state of zeros, with the output gate at 1."""
    given = problem("rrnn_c", steps=6)
    with torch.no_grad():
        given.layer.get_parameter("W_o_l0").zero_()
        given.layer.get_parameter("b_o_l0").fill_(60.0)
    p = parameters_of(given.layer)
    f1, f2 = (torch.sigmoid(given.x @ p[f"W_f{k}"].T + p[f"b_f{k}"]) for k in (1, 2))
    u1, u2 = (1 - f1) * (given.x @ p["W_u1"].T), (1 - f2) * (given.x @ p["W_u2"].T)
    score = torch.zeros_like(u1[0])
    for j, k in itertools.combinations(range(6), 2):
        score += u1[j] * f1[j + 1 : k].prod(0) * u2[k] * f2[k + 1 :].prod(0)
    y, _ = given.layer(given.x)
    torch.testing.assert_close(y[-1], score.tanh(), rtol=0, atol=1e-14)


def test_the_max_plus_automaton_finds_the_best_token() -> None:
    """With self-loops of weight log σ(60) = 0 and the output gate at 1, c_t is the running maximum of W_u x."""
    layer = Recurrent("rrnn_b_max_plus", 3, 6, dtype=torch.float64)
    with torch.no_grad():
        for gate in "fo":
            layer.get_parameter(f"W_{gate}_l0").zero_()
            layer.get_parameter(f"b_{gate}_l0").fill_(60.0)
    x = torch.randn(1000, 2, 3, dtype=torch.float64)
    y, _ = layer(x)
    best = (x @ layer.get_parameter("W_u_l0").T).cummax(0).values
    torch.testing.assert_close(y, best.tanh(), rtol=0, atol=1e-12)
