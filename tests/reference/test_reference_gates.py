"""References of gate variants, layer norm, mutants, minimal and slow cells: derivatives, and where they meet other cells."""

import numpy as np
import pytest
from reference import gers_lstm, gru_reset_before, layer_norm, lstm, lstm_1997, mut, peephole_lstm, scrn, ugrnn
from reference.arrays import Array, Arrays, sigmoid
from reference.problems import STEPS, problem
from reference.run import Step, gradients, run
from reference.test_reference import assert_close, central_differences

pytestmark = pytest.mark.tiny

OPEN = 60.0
"""A bias that makes a gate 1 to the last bit, as -60 makes it 0 to 1e-26."""

FAMILIES = ("odyssey", "layer_norm", "mut", "ugrnn", "intersection", "janet", "mgu", "scrn", "gers")


@pytest.mark.parametrize("name", [name for name in STEPS if name.startswith(FAMILIES)])
def test_complex_step_derivatives_equal_central_differences(name: str) -> None:
    """To 1e-6 of the largest: differences of width 1e-5 err by h² L'''/6 and by rounding of L over h."""
    given = problem(name)
    slopes, differences = gradients(*given), central_differences(*given)
    largest = max(float(np.abs(slope).max()) for slope in slopes.values())
    assert_close(slopes, differences, 1e-6 * largest)


def assert_same_run(step: Step, p: Arrays, other: Step, q: Arrays, xs: Array, s0: Arrays, start: Arrays) -> None:
    ys, last = run(step, p, xs, s0)
    expected_ys, expected_last = run(other, q, xs, start)
    np.testing.assert_allclose(ys, expected_ys, rtol=0, atol=1e-14)
    for field in last.keys() & expected_last.keys():
        np.testing.assert_allclose(last[field], expected_last[field], rtol=0, atol=1e-14)


@pytest.mark.parametrize(("name", "gate"), [("odyssey_nig", "i"), ("odyssey_nfg", "f"), ("odyssey_nog", "o")])
def test_a_missing_gate_is_an_open_one(name: str, gate: str) -> None:
    step, p, xs, s0, _, _ = problem(name)
    _, whole, _, _, _, _ = problem("peephole_lstm")
    assert_same_run(step, p, peephole_lstm.step, whole | p | {f"b_{gate}": np.full(6, OPEN)}, xs, s0, s0)


def test_without_peepholes_the_vanilla_lstm_is_the_lstm() -> None:
    step, p, xs, s0, _, _ = problem("odyssey_np")
    assert_same_run(step, p, lstm.step, p, xs, s0, s0)


def test_a_forget_gate_with_the_negative_weights_of_the_input_gate_is_coupled() -> None:
    step, p, xs, s0, _, _ = problem("odyssey_cifg")
    turned = p | {f"{kind}_f": -p[f"{kind}_i"] for kind in "WRpb"}  # σ(-z) = 1 - σ(z)
    assert_same_run(step, p, peephole_lstm.step, turned, xs, s0, s0)


def test_gates_that_do_not_feed_back_leave_the_vanilla_lstm() -> None:
    step, p, xs, s0, _, _ = problem("odyssey_fgr")
    alone = p | {name: np.zeros_like(p[name]) for name in p if name[0] == "Q"}
    assert_same_run(step, alone, peephole_lstm.step, p, xs, s0, {"h": s0["h"], "c": s0["c"]})


@pytest.mark.parametrize("name", ["odyssey_niaf", "odyssey_noaf"])
def test_a_missing_squashing_is_the_identity(name: str) -> None:
    """One step with input and forget gates open: c_t = c_{t-1} + g."""
    step, p, xs, s0, _, _ = problem(name)
    p |= {"b_i": np.full(6, OPEN), "b_f": np.full(6, OPEN), "p_o": np.zeros(6)}
    g = p["W_g"] @ xs[0] + p["R_g"] @ s0["h"] + p["b_g"]
    o = sigmoid(p["W_o"] @ xs[0] + p["R_o"] @ s0["h"] + p["b_o"])
    c = s0["c"] + (g if name == "odyssey_niaf" else np.tanh(g))
    y, s = step(p, xs[0], s0)
    np.testing.assert_allclose(s["c"], c, rtol=0, atol=1e-14)
    np.testing.assert_allclose(y, o * (np.tanh(c) if name == "odyssey_niaf" else c), rtol=0, atol=1e-14)


def test_layer_norm_centres_and_scales_by_the_biased_variance() -> None:
    z = np.array([1.0, 2.0, 4.0, 9.0])
    normed = layer_norm.layer_norm(z, np.full(4, 2.0), np.full(4, 0.5))
    np.testing.assert_allclose(normed, 0.5 + 2 * (z - 4) / np.sqrt((9 + 4 + 0 + 25) / 4 + 1e-5), rtol=0, atol=1e-14)


def test_one_norm_spans_the_rows_of_all_gates() -> None:
    """Without gain and shift their mean is 0 and their mean square 1, which no gate's rows have by themselves."""
    _, p, _, s0, _, _ = problem("layer_norm_lstm")
    p |= {name: np.ones(6) for name in p if name.startswith("alpha")}
    p |= {name: np.zeros(6) for name in p if name.startswith("beta")}
    z = layer_norm.norm_of_rows(p, "R", 1, "ifgo", s0["h"])
    np.testing.assert_allclose([z.mean(), (z * z).mean()], [0, 1], rtol=0, atol=1e-4)
    assert np.all(np.abs(z.reshape(4, 6).mean(axis=1)) > 1e-2)


def test_mut3_reads_tanh_of_the_state_in_its_update_gate_alone() -> None:
    """With R_z = 0 it is the GRU whose update gate is turned round."""
    step, p, xs, s0, _, _ = problem("mut3")
    p |= {"R_z": np.zeros_like(p["R_z"])}
    turned = p | {f"{kind}_z": -p[f"{kind}_z"] for kind in "WRb"}
    assert_same_run(step, p, gru_reset_before.step, turned, xs, s0, s0)


def test_mut1_and_mut2_read_the_input_itself() -> None:
    _, p, xs, s0, _, _ = problem("mut2")
    p |= {"W_z": np.zeros((3, 3)), "b_z": np.full(3, OPEN), "R_z": np.zeros((3, 3))}
    r = sigmoid(xs[0] + p["R_r"] @ s0["h"] + p["b_r"])
    expected = np.tanh(p["R_n"] @ (r * s0["h"]) + p["W_n"] @ xs[0] + p["b_n"])
    np.testing.assert_allclose(mut.step_mut2(p, xs[0], s0)[0], expected, rtol=0, atol=1e-14)
    silent = p | {"R_n": np.zeros((3, 3)), "b_n": np.zeros(3), "W_r": np.zeros((3, 3))}
    np.testing.assert_allclose(mut.step_mut1(silent, xs[0], s0)[0], np.tanh(np.tanh(xs[0])), rtol=0, atol=1e-14)


def test_shut_and_open_gates_of_the_intersection_network_pass_the_new_and_the_old() -> None:
    step, p, xs, s0, _, _ = problem("intersection_rnn")
    kept = p | {"b_gy": np.full(3, OPEN), "b_gh": np.full(6, OPEN)}
    ys, last = run(step, kept, xs, s0)
    np.testing.assert_array_equal(ys, xs)
    np.testing.assert_array_equal(last["h"], s0["h"])
    renewed = p | {"b_gy": np.full(3, -OPEN), "b_gh": np.full(6, -OPEN)}
    y, s = step(renewed, xs[0], s0)
    np.testing.assert_allclose(y, np.maximum(p["W_y"] @ xs[0] + p["R_y"] @ s0["h"] + p["b_y"], 0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(s["h"], np.tanh(p["W_h"] @ xs[0] + p["R_h"] @ s0["h"] + p["b_h"]), rtol=0, atol=1e-14)


def test_janet_without_its_shift_is_the_update_gate_network() -> None:
    step, p, xs, s0, _, _ = problem("janet")
    values = {f"{kind}_{b}": p[f"{kind}_{a}"] for a, b in (("f", "g"), ("g", "c")) for kind in "WRb"}
    assert_same_run(step, p | {"beta": np.array(0.0)}, ugrnn.step, values, xs, s0, s0)


@pytest.mark.parametrize(("name", "missing"), [("mgu1", "W"), ("mgu2", "Wb"), ("mgu3", "WR")])
def test_lighter_minimal_gated_units_are_the_unit_with_parts_of_its_gate_at_zero(name: str, missing: str) -> None:
    step, p, xs, s0, _, _ = problem(name)
    unit, whole, _, _, _, _ = problem("mgu")
    full = whole | p | {f"{kind}_f": np.zeros_like(whole[f"{kind}_f"]) for kind in missing}
    assert_same_run(step, p, unit, full, xs, s0, s0)


def test_the_minimal_gated_unit_is_a_gru_with_one_gate_for_both() -> None:
    step, p, xs, s0, _, _ = problem("mgu")
    values = p | {f"{kind}_r": p[f"{kind}_f"] for kind in "WRb"} | {f"{kind}_z": -p[f"{kind}_f"] for kind in "WRb"}
    assert_same_run(step, p, gru_reset_before.step, values, xs, s0, s0)


def test_context_units_average_with_a_decay_that_may_be_learned() -> None:
    step, p, xs, s0, _, _ = problem("scrn_learned_decay")
    same = p | {"beta": np.full(4, np.log(0.95 / 0.05))}
    assert_same_run(step, same, scrn.step, p | {"alpha": np.array(0.95)}, xs, s0, s0)
    constant = np.broadcast_to(xs[0], (200, 3))
    _, last = run(scrn.step, p | {"alpha": np.array(0.9)}, constant, s0)
    np.testing.assert_allclose(last["s"], p["B"] @ xs[0], rtol=0, atol=1e-8)


def test_the_authors_code_of_the_context_units_reads_them_one_step_late() -> None:
    _, p, xs, s0, _, _ = problem("scrn")
    y, s = scrn.step_previous_context(p, xs[0], s0)
    expected = sigmoid(p["P"] @ s0["s"] + p["A"] @ xs[0] + p["R"] @ s0["h"])
    np.testing.assert_allclose(y, np.concatenate([expected, s["s"]]), rtol=0, atol=1e-15)


def test_blocks_with_open_forget_gates_and_no_gate_feedback_are_those_of_1997() -> None:
    _, p, xs, s0, _, _ = problem("gers_lstm")
    _, older, _, older_s0, _, _ = problem("lstm_1997")
    silent = {name: np.zeros_like(value) for name, value in older.items() if name[0] == "Q" or name == "b_g"}
    start = {"s": s0["s"], "y": s0["y"]}
    kept = p | {"b_f": np.full(3, OPEN)}
    assert_same_run(gers_lstm.step, kept, lstm_1997.step, p | silent, xs, start, older_s0 | start)
