"""The LSTM and its relatives, against each other where one turns into another, and against the counts of their papers."""

from typing import Any

import pytest
import torch
from cells.conformance import problem
from cells.limits import assert_same_run, opened, parameters, run, shut, state, zeros

from carrousel import CELLS, Recurrent

D, H = 5, 7
GATED = D * H + H * H + H
"""Weights of one gate or cell input, with its bias."""


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("lstm", 4 * GATED),
        ("peephole_lstm", 4 * GATED + 3 * H),
        ("odyssey_nig", 3 * GATED + 2 * H),
        ("odyssey_nfg", 3 * GATED + 2 * H),
        ("odyssey_nog", 3 * GATED + 2 * H),
        ("odyssey_niaf", 4 * GATED + 3 * H),
        ("odyssey_noaf", 4 * GATED + 3 * H),
        ("odyssey_cifg", 3 * GATED + 2 * H),
        ("odyssey_np", 4 * GATED),
        ("odyssey_fgr", 4 * GATED + 3 * H + 9 * H * H),
        ("layer_norm_lstm", 4 * GATED + 18 * H),
        ("janet", 2 * GATED),
    ],
)
def test_a_cell_has_the_parameters_of_its_formula(name: str, count: int) -> None:
    cell = CELLS[name]
    assert cell.num_parameters(cell.sizes(D, H)) == count


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("inputs", "outputs", "blocks", "size", "biases", "weights"),
    [
        pytest.param(7, 7, 4, 1, "gates", 264, id="experiment 1, 4 blocks of 1"),
        pytest.param(7, 7, 3, 2, "gates", 276, id="experiment 1, 3 blocks of 2"),
        pytest.param(54, 2, 2, 1, "", 364, id="experiment 2c, p = 50"),
        pytest.param(104, 2, 2, 1, "", 664, id="experiment 2c, p = 100"),
        pytest.param(1004, 2, 2, 1, "", 6064, id="experiment 2c, p = 1000"),
        pytest.param(1, 1, 3, 1, "cells gates", 102, id="experiment 3"),
        pytest.param(2, 1, 2, 2, "cells gates outputs", 93, id="experiments 4 and 5"),
        pytest.param(8, 4, 2, 2, "cells gates outputs", 156, id="experiment 6a"),
        pytest.param(8, 8, 3, 2, "cells gates outputs", 308, id="experiment 6b"),
    ],
)
def test_the_lstm_of_1997_has_the_weights_that_its_paper_counts(
    inputs: int, outputs: int, blocks: int, size: int, biases: str, weights: int
) -> None:
    """Hochreiter and Schmidhuber 1997, tables of experiments 1 to 6; output units read the cells alone."""
    cell, cells = CELLS["lstm_1997"], blocks * size
    count = cell.num_parameters(cell.sizes(inputs, cells, block_size=size))
    unused = cells * ("cells" not in biases) + 2 * blocks * ("gates" not in biases)
    assert count - unused + outputs * (cells + ("outputs" in biases)) == weights


@pytest.mark.tiny
def test_the_lstm_of_2000_has_the_weights_that_its_paper_counts() -> None:
    """Gers, Schmidhuber and Cummins 2000, continual embedded Reber: 424, with 7 outputs that read cells, inputs and a bias."""
    cell = CELLS["gers_lstm"]
    assert cell.num_parameters(cell.sizes(7, 8, block_size=2)) + 7 * (8 + 7 + 1) == 424


@pytest.mark.parametrize(
    ("variant", "change"),
    [
        ("odyssey_nig", {"b_i": opened}),
        ("odyssey_nfg", {"b_f": opened}),
        ("odyssey_nog", {"b_o": opened}),
        ("odyssey_np", {"p_i": torch.zeros_like, "p_f": torch.zeros_like, "p_o": torch.zeros_like}),
        ("lstm", {"p_i": torch.zeros_like, "p_f": torch.zeros_like, "p_o": torch.zeros_like}),
    ],
)
def test_a_variant_is_the_peephole_lstm_with_that_part_held_open_or_at_zero(
    variant: str, change: dict[str, Any]
) -> None:
    given = problem("peephole_lstm")
    p, start = parameters(given), state(given)
    held = p | {name: hold(p[name]) for name, hold in change.items()}
    whole = run("peephole_lstm", held, given.x, start)
    assert_same_run(run(variant, p, given.x, start), whole)
    assert (whole[0] - run("peephole_lstm", p, given.x, start)[0]).abs().max() > 1e-3


def test_coupled_gates_are_a_forget_gate_that_reads_the_negative_of_the_input_gate() -> None:
    given = problem("peephole_lstm")
    p, start = parameters(given), state(given)
    negative = {f"{kind}_f": -p[f"{kind}_i"] for kind in "WRpb"}  # σ(-z) = 1 - σ(z)
    assert_same_run(run("odyssey_cifg", p, given.x, start), run("peephole_lstm", p | negative, given.x, start))


def test_full_gate_recurrence_without_its_weights_is_the_peephole_lstm() -> None:
    given = problem("odyssey_fgr")
    p, start = parameters(given), state(given)
    silent = p | zeros(p, *(name for name in p if name.startswith("Q_")))
    assert_same_run(run("odyssey_fgr", silent, given.x, start), run("peephole_lstm", p, given.x, start))


def test_without_activation_functions_small_numbers_pass_as_through_tanh() -> None:
    """tanh z = z - z³/3: with block inputs and cell states of 1e-3 the cells agree to 1e-9, with large ones they do not."""
    given = problem("peephole_lstm")
    p, start = parameters(given), state(given)
    small = p | {name: 1e-4 * p[name] for name in ("W_g", "R_g", "b_g")}
    quiet = {"h": 1e-4 * start["h"], "c": 1e-4 * start["c"]}
    for variant in ("odyssey_niaf", "odyssey_noaf"):
        assert_same_run(run(variant, small, given.x, quiet), run("peephole_lstm", small, given.x, quiet), 1e-9)
        loud = run(variant, p, given.x, start)[0] - run("peephole_lstm", p, given.x, start)[0]
        assert loud.abs().max() > 1e-3


def test_the_lstm_of_2000_with_open_forget_gates_is_that_of_1997_without_gate_feedback() -> None:
    given = problem("lstm_1997", block_size=2)
    p, start = parameters(given), state(given)
    p |= zeros(p, "b_g", *(name for name in p if name.startswith("Q_")))
    gates = {"W_f": p["W_i"], "R_f": p["R_i"], "b_f": opened(p["b_i"])}
    assert_same_run(
        run("gers_lstm", p | gates, given.x, start, block_size=2), run("lstm_1997", p, given.x, start, block_size=2)
    )


INTEGRATORS = {
    "lstm_1997": "s",
    "gers_lstm": "s",
    "lstm": "c",
    "peephole_lstm": "c",
    "lstm_projected": "c",
    "odyssey_nfg": "c",
    "odyssey_niaf": "c",
    "odyssey_noaf": "c",
    "odyssey_np": "c",
    "odyssey_fgr": "c",
    "layer_norm_lstm": "c",
}
"""Cell -> its carrousel."""


@pytest.mark.parametrize("name", INTEGRATORS)
def test_with_the_forget_gate_open_and_the_input_gate_shut_the_carrousel_keeps_every_bit_for_10_000_steps(
    name: str,
) -> None:
    given = problem(name)
    p, start = parameters(given), state(given)
    gates = {"b_i": shut(p["b_i"])} | ({"b_f": opened(p["b_f"])} if "b_f" in p else {})
    x = torch.randn(10_000, given.x.shape[1], given.x.shape[2], dtype=torch.float64)
    _, last = run(name, p | gates, x, start)
    assert torch.equal(last[INTEGRATORS[name]], start[INTEGRATORS[name]])


def test_with_both_gates_open_the_carrousel_sums_its_inputs_over_10_000_steps() -> None:
    given = problem("lstm")
    p, start = parameters(given), state(given)
    gates = {name: opened(p[name]) for name in ("b_i", "b_f")}
    x = torch.randn(10_000, 3, 3, dtype=torch.float64)
    _, last = run("lstm", p | gates | zeros(p, "R_g"), x, start)
    total = start["c"][0] + torch.tanh(x @ p["W_g"].T + p["b_g"]).sum(0)
    torch.testing.assert_close(last["c"][0], total, rtol=0, atol=1e-9)  # 10,000 roundings of numbers below 1e4


@pytest.mark.parametrize("name", ["layer_norm_lstm", "layer_norm_gru"])
@pytest.mark.parametrize("kind", ["W", "R"])
def test_a_common_factor_on_normalised_weights_changes_nothing(name: str, kind: str) -> None:
    """From weights of 1e3 on, where the 1e-5 beside the variance no longer counts."""
    given = problem(name)
    p, start = parameters(given), state(given)
    runs = [
        run(name, p | {n: factor * p[n] for n in p if n.startswith(f"{kind}_")}, given.x, start)
        for factor in (1e3, 1e5)
    ]
    assert_same_run(*runs, tolerance=1e-8)


def test_one_gate_of_the_layer_norm_lstm_feels_the_weights_of_another() -> None:
    """Mean and variance run over all four gates together; gate by gate, nothing but the output gate would change."""
    given = problem("layer_norm_lstm", steps=1)
    p, start = parameters(given), state(given)
    _, before = run("layer_norm_lstm", p, given.x, start)
    _, after = run("layer_norm_lstm", p | {"W_o": 2 * p["W_o"]}, given.x, start)
    assert (before["c"] - after["c"]).abs().max() > 1e-3


def test_janet_without_its_shift_is_the_update_gate_rnn() -> None:
    given = problem("janet")
    p, start = parameters(given), state(given)
    as_ugrnn = {f"{kind}_{to}": p[f"{kind}_{of}"] for kind in "WRb" for of, to in (("f", "g"), ("g", "c"))}
    level = run("janet", p | {"beta": torch.zeros(())}, given.x, start)
    assert_same_run(level, run("ugrnn", as_ugrnn, given.x, start))


def test_janet_with_its_gate_open_adds_the_candidate_by_the_shifted_gate_alone() -> None:
    """Bias 200: the state is kept whole and nothing is let in, so that it stays as it is to the last bit."""
    given = problem("janet")
    p, start = parameters(given), state(given)
    _, last = run("janet", p | {"b_f": opened(p["b_f"])}, given.x, start)
    assert torch.equal(last["h"], start["h"])


@pytest.mark.tiny
def test_janet_starts_as_the_code_of_its_authors_without_chrono_initialisation() -> None:
    layer = Recurrent("janet", 3, 6)
    assert torch.equal(layer.get_parameter("b_f_l0"), torch.ones(6))
    assert torch.equal(layer.get_parameter("b_g_l0"), torch.zeros(6))
    assert float(layer.get_buffer("beta_l0")) == 1.0


@pytest.mark.tiny
def test_the_biases_of_the_lstm_of_2000_grow_from_block_to_block() -> None:
    layer = Recurrent("gers_lstm", 7, 8, block_size=2)
    grown = torch.tensor([0.5, 1.0, 1.5, 2.0])
    for name, expected in (("b_i", -grown), ("b_f", grown), ("b_o", -grown)):
        assert torch.equal(layer.get_parameter(f"{name}_l0"), expected)


@pytest.mark.tiny
@pytest.mark.parametrize("name", ["layer_norm_lstm", "layer_norm_gru"])
def test_layer_norm_starts_with_gains_of_one_shifts_of_zero_and_orthogonal_recurrent_matrices(name: str) -> None:
    layer = Recurrent(name, 3, 6, dtype=torch.float64)
    for parameter, value in layer.named_parameters():
        if parameter.startswith("R_"):
            torch.testing.assert_close(value @ value.T, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-12)
        elif not parameter.startswith("W_"):
            assert torch.equal(value, torch.full_like(value, float(parameter.startswith("alpha"))))
