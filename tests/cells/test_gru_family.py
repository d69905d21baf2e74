"""The GRU's relatives, UGRNN and SCRN, against each other where one turns into another, and against their counts."""

import pytest
import torch
from cells.conformance import problem
from cells.limits import assert_same_run, opened, parameters, run, shut, state, zeros

from carrousel import CELLS, Recurrent
from carrousel.errors import ConfigError

D, H, P = 5, 7, 3
GATED = D * H + H * H + H
"""Weights of one gate or candidate, with its bias."""


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mut3", 3 * GATED),
        ("ugrnn", 2 * GATED),
        ("intersection_rnn", 2 * GATED + 2 * (D * D + H * D + D)),
        ("mgu", 2 * GATED),
        ("mgu1", 2 * GATED - D * H),
        ("mgu2", 2 * GATED - D * H - H),
        ("mgu3", GATED + H),
        ("layer_norm_gru", 3 * (D * H + H * H) + 12 * H),
    ],
)
def test_a_cell_has_the_parameters_of_its_formula(name: str, count: int) -> None:
    cell = CELLS[name]
    assert cell.num_parameters(cell.sizes(D, H)) == count


@pytest.mark.tiny
@pytest.mark.parametrize(("name", "count"), [("mut1", 4 * H * H + 3 * H), ("mut2", 5 * H * H + 3 * H)])
def test_a_mutant_that_reads_its_input_as_it_is_has_the_parameters_of_its_formula(name: str, count: int) -> None:
    cell = CELLS[name]
    assert cell.num_parameters(cell.sizes(H, H)) == count


@pytest.mark.tiny
@pytest.mark.parametrize(("name", "more"), [("scrn", 0), ("scrn_previous_context", 0), ("scrn_learned_decay", P)])
def test_scrn_has_the_parameters_of_its_formula(name: str, more: int) -> None:
    cell = CELLS[name]
    sizes = cell.sizes(D, H, context_size=P)
    assert cell.num_parameters(sizes) == P * D + H * P + H * D + H * H + more
    assert sizes["O"] == H + P


@pytest.mark.tiny
@pytest.mark.parametrize("name", ["mut1", "mut2"])
def test_a_mutant_that_reads_its_input_as_it_is_wants_equal_sizes(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        Recurrent(name, 3, 6)
    assert str(error.value) == (
        "H=6 and D=3, expected the same size: the step adds x_t itself to its units. Choose equal sizes, "
        "or map x_t to as many features first (model.input_features, in models of series)."
    )


def test_mut3_with_an_update_gate_blind_to_the_state_is_a_gru() -> None:
    given = problem("mut3")
    p, start = parameters(given), state(given)
    p |= zeros(p, "R_z")
    turned = p | {f"{kind}_z": -p[f"{kind}_z"] for kind in "WRb"}  # its z is on the candidate: σ(-z) = 1 - σ(z)
    assert_same_run(run("mut3", p, given.x, start), run("gru_reset_before", turned, given.x, start))


def test_mut3_and_a_gru_differ_by_what_the_update_gate_reads_of_the_state() -> None:
    """σ(R tanh h) here and σ(R h) there: equal to 1e-9 while the state is below 1e-4, apart otherwise."""
    given = problem("mut3", steps=1)
    p, start = parameters(given), state(given)
    turned = p | {f"{kind}_z": -p[f"{kind}_z"] for kind in "WRb"}
    quiet = {"h": 1e-4 * start["h"]}
    assert_same_run(run("mut3", p, given.x, quiet), run("gru_reset_before", turned, given.x, quiet), 1e-9)
    apart = run("mut3", p, given.x, start)[0] - run("gru_reset_before", turned, given.x, start)[0]
    assert apart.abs().max() > 1e-3


def test_mut2_is_mut3_with_the_identity_on_the_input_of_the_reset_gate_for_small_states() -> None:
    given = problem("mut2", steps=1)
    p, start = parameters(given), state(given)
    quiet = {"h": 1e-4 * start["h"]}
    identity = p | {"W_r": torch.eye(6, dtype=torch.float64)}
    assert_same_run(run("mut2", p, given.x, quiet), run("mut3", identity, given.x, quiet), 1e-9)


@pytest.mark.parametrize("name", ["mut1", "mut2", "mut3"])
def test_a_mutant_with_its_gate_shut_keeps_its_state_and_with_it_open_forgets_it(name: str) -> None:
    """The gate is on the candidate: z = 0 keeps, the other way round from the GRU."""
    given = problem(name)
    p, start = parameters(given), state(given)
    _, last = run(name, p | {"b_z": shut(p["b_z"])}, given.x, start)
    assert torch.equal(last["h"], start["h"])
    _, last = run(name, p | {"b_z": opened(p["b_z"])} | zeros(p, "R_n"), given.x, start)
    _, other = run(name, p | {"b_z": opened(p["b_z"])} | zeros(p, "R_n"), given.x, {"h": -start["h"]})
    assert torch.equal(last["h"], other["h"])


def test_the_minimal_gated_unit_is_a_gru_with_one_gate_in_both_places() -> None:
    given = problem("mgu")
    p, start = parameters(given), state(given)
    both = {f"{kind}_r": p[f"{kind}_f"] for kind in "WRb"} | {f"{kind}_z": -p[f"{kind}_f"] for kind in "WRb"}
    assert_same_run(run("mgu", p, given.x, start), run("gru_reset_before", p | both, given.x, start))


@pytest.mark.parametrize(("name", "absent"), [("mgu1", ["W_f"]), ("mgu2", ["W_f", "b_f"]), ("mgu3", ["W_f", "R_f"])])
def test_a_simpler_minimal_gated_unit_is_the_first_without_parts_of_its_gate(name: str, absent: list[str]) -> None:
    given = problem("mgu")
    p, start = parameters(given), state(given)
    assert_same_run(run(name, p, given.x, start), run("mgu", p | zeros(p, *absent), given.x, start))


def test_the_update_gate_rnn_is_the_gru_without_a_reset_gate() -> None:
    given = problem("ugrnn")
    p, start = parameters(given), state(given)
    gru = {f"{kind}_{to}": p[f"{kind}_{of}"] for kind in "WRb" for of, to in (("g", "z"), ("c", "n"), ("g", "r"))}
    gru["b_r"] = opened(gru["b_r"])
    assert_same_run(run("ugrnn", p, given.x, start), run("gru_reset_before", gru, given.x, start))


def test_the_state_of_the_intersection_rnn_is_an_update_gate_rnn() -> None:
    given = problem("intersection_rnn")
    p, start = parameters(given), state(given)
    along = {f"{kind}_{to}": p[f"{kind}_{of}"] for kind in "WRb" for of, to in (("gh", "g"), ("h", "c"))}
    _, last = run("intersection_rnn", p, given.x, start)
    _, expected = run("ugrnn", along, given.x, start)
    torch.testing.assert_close(last["h"], expected["h"], rtol=0, atol=1e-14)


def test_an_open_gate_passes_the_input_of_the_intersection_rnn_through_to_the_last_bit() -> None:
    given = problem("intersection_rnn")
    p, start = parameters(given), state(given)
    y, _ = run("intersection_rnn", p | {"b_gy": opened(p["b_gy"])}, given.x, start)
    assert torch.equal(y, given.x)


def test_the_intersection_rnn_stacks_with_outputs_of_the_size_of_its_inputs() -> None:
    layer = Recurrent("intersection_rnn", 3, 6, num_layers=4, dtype=torch.float64)
    y, last = layer(torch.randn(5, 2, 3, dtype=torch.float64))
    assert y.shape == (5, 2, 3)
    assert last.h.shape == (4, 2, 6)


def test_the_context_of_scrn_is_an_exponential_average_of_its_inputs() -> None:
    given = problem("scrn")
    p, start = parameters(given), state(given)
    _, last = run("scrn", p, given.x, start)
    alpha, steps = float(p["alpha"]), given.x.shape[0]
    weights = (1 - alpha) * alpha ** torch.arange(steps - 1, -1, -1, dtype=torch.float64)
    average = torch.einsum("t,tbd,pd->bp", weights, given.x, p["B"])
    torch.testing.assert_close(last["s"][0], average + alpha**steps * start["s"][0], rtol=0, atol=1e-14)


def test_a_learned_decay_at_the_fixed_value_is_scrn() -> None:
    given = problem("scrn")
    p, start = parameters(given), state(given)
    decay = torch.tensor([0.95, 0.95], dtype=torch.float64)
    learned, fixed = p | {"beta": decay.logit()}, p | {"alpha": decay[0]}
    assert_same_run(run("scrn_learned_decay", learned, given.x, start), run("scrn", fixed, given.x, start))


def test_the_two_definitions_of_scrn_differ_by_one_step_of_the_context_in_the_hidden_layer() -> None:
    """Hidden units that read the context alone do at step t + 1 in the code's form what they do at step t in the paper's."""
    given = problem("scrn")
    p, start = parameters(given), state(given)
    p |= zeros(p, "A", "R")
    p["alpha"] = torch.tensor(0.95, dtype=torch.float64)
    new, last = run("scrn", p, given.x, start)
    old, end = run("scrn_previous_context", p, given.x, start)
    torch.testing.assert_close(old[1:, :, :6], new[:-1, :, :6], rtol=0, atol=1e-15)
    assert torch.equal(last["s"], end["s"])
    assert (old[:, :, :6] - new[:, :, :6]).abs().max() > 1e-4


def test_scrn_without_context_is_an_elman_network_of_logistic_units() -> None:
    given = problem("scrn")
    p, start = parameters(given), state(given)
    y, _ = run("scrn", p | zeros(p, "P"), given.x, start)
    h = start["h"][0]
    for t in range(given.x.shape[0]):
        h = torch.sigmoid(given.x[t] @ p["A"].T + h @ p["R"].T)
        torch.testing.assert_close(y[t, :, :6], h, rtol=0, atol=1e-14)
