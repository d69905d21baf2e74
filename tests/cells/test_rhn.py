"""Recurrent highway networks: the counts of the paper, and what one layer, shut gates and coupled gates come to."""

import pytest
import torch
from cells.conformance import problem
from cells.limits import assert_same_run, parameters, run, shut, state

from carrousel import CELLS, Recurrent

D, H, L = 5, 7, 3


@pytest.mark.tiny
def test_parameters_are_counted_as_in_the_paper() -> None:
    coupled, general = CELLS["rhn"], CELLS["rhn_uncoupled"]
    assert coupled.num_parameters(coupled.sizes(D, H, depth=L)) == 2 * D * H + 2 * L * (H * H + H)
    assert general.num_parameters(general.sizes(D, H, depth=L)) == 3 * D * H + 3 * L * (H * H + H)


def with_read_out(vocabulary: int, embedding: int, hidden: int, depth: int, *, is_tied: bool) -> int:
    """Parameters of a language model: embedding, one highway layer, softmax with biases; tied, both use one matrix."""
    cell = CELLS["rhn"]
    softmax = (0 if is_tied else vocabulary * hidden) + vocabulary
    return vocabulary * embedding + cell.num_parameters(cell.sizes(embedding, hidden, depth=depth)) + softmax


@pytest.mark.tiny
def test_the_models_of_the_paper_have_its_numbers_of_parameters() -> None:
    """Zilly et al. 2017: Penn Treebank, 10,000 words, tied, 23 M and 22 M; enwik8, 205 symbols, 46 M; text8, 27, 45 M."""
    assert with_read_out(10_000, 830, 830, 10, is_tied=True) == 23_482_400
    assert round(with_read_out(10_000, 1000, 1000, 5, is_tied=True) / 1e6) == 22
    assert round(with_read_out(205, 205, 1500, 10, is_tied=False) / 1e6, 1) == 46.0
    assert round(with_read_out(27, 27, 1500, 10, is_tied=False) / 1e6) == 45


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("depth", "hidden"),
    [(1, 1275), (2, 1180), (3, 1110), (4, 1050), (5, 1000), (6, 960), (7, 920), (8, 890), (9, 860), (10, 830)],
)
def test_the_paper_trades_depth_for_width_at_one_size(depth: int, hidden: int) -> None:
    """The table of the authors' code, depth against units for Penn Treebank, not tied: 32 M parameters in every row."""
    assert with_read_out(10_000, hidden, hidden, depth, is_tied=False) / 1e6 == pytest.approx(32, abs=0.3)


def test_one_coupled_layer_is_an_update_gate_rnn_whose_gate_is_turned_round() -> None:
    given = problem("rhn", depth=1)
    p = parameters(given)
    values = {
        "W_c": p["W_h"],
        "R_c": p["R_h"][0],
        "b_c": p["b_h"][0],
        "W_g": -p["W_t"],
        "R_g": -p["R_t"][0],
        "b_g": -p["b_t"][0],
    }
    found = run("rhn", p, given.x, state(given), depth=1)
    assert_same_run(found, run("ugrnn", values, given.x, {"h": given.state[0]}))


def test_a_carry_gate_with_the_negative_weights_of_the_transform_gate_is_coupled() -> None:
    given = problem("rhn")
    p = parameters(given)
    values = p | {f"{kind}_c": -p[f"{kind}_t"] for kind in "WRb"}
    assert_same_run(
        run("rhn_uncoupled", values, given.x, state(given)), run("rhn", p, given.x, state(given)), tolerance=1e-13
    )


def test_shut_transform_gates_carry_the_state_through_every_layer_and_step() -> None:
    given = problem("rhn")
    p = parameters(given)
    y, _ = run("rhn", p | {"b_t": shut(p["b_t"])}, given.x, state(given))
    assert torch.equal(y, given.state[0].expand_as(y))


@pytest.mark.tiny
def test_gates_start_nearly_shut() -> None:
    """The authors' code for Penn Treebank: transform biases -2."""
    layer = Recurrent("rhn_uncoupled", 3, 5, depth=4)
    assert torch.equal(layer.get_parameter("b_t_l0"), torch.full((4, 5), -2.0))
    assert torch.equal(layer.get_parameter("b_c_l0"), torch.full((4, 5), 2.0))
    assert float(layer.get_parameter("R_h_l0").detach().abs().max()) <= 0.04
