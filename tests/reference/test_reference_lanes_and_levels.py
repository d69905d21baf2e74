"""The NumPy references of highway, nested, array, multiplicative, tensor and projected cells, where they meet other cells."""

from functools import partial

import numpy as np
import pytest
from reference import array_lstm, gru_reset_before, lstm, lstm_projected, lstmp, nested_lstm, rhn
from reference.arrays import Arrays, sigmoid
from reference.problems import NOISE, SIZES, STEPS, problem
from reference.run import gradients, run
from reference.test_reference import assert_close, central_differences

pytestmark = pytest.mark.tiny

LANES, HIDDEN = SIZES["K"], SIZES["H"]


def first(values: Arrays) -> Arrays:
    """Each array without its first axis, at index 0."""
    return {name: value[0] for name, value in values.items()}


@pytest.mark.parametrize(
    "name",
    [
        "rhn",
        "rhn_uncoupled",
        "array_lstm",
        "array_lstm_soft",
        "array_lstm_soft_logits",
        "array_lstm_max",
        "array_lstm_pooled",
        "array_lstm_stochastic",
        "array_lstm_hard",
        "multiplicative_lstm",
        "multiplicative_lstm_linear",
        "gru_rntn",
        "lstm_rntn",
        "lstmp",
    ],
)
def test_complex_step_gradients_equal_central_differences(name: str) -> None:
    """To 1e-7: differences of width 1e-5 err by about 1e-10 (third derivative) and 1e-10 (rounding of L over 1e-5)."""
    given = problem(name)
    assert_close(gradients(*given), central_differences(*given), 1e-7)


def test_a_highway_of_one_layer_is_a_gated_step_between_the_state_and_a_candidate() -> None:
    _, p, xs, s0, _, _ = problem("rhn")
    shallow = p | {name: p[name][:1] for name in p if name[0] in "Rb"}
    y, _ = rhn.step(shallow, xs[0], s0)
    h = np.tanh(p["W_h"] @ xs[0] + p["R_h"][0] @ s0["s"] + p["b_h"][0])
    t = sigmoid(p["W_t"] @ xs[0] + p["R_t"][0] @ s0["s"] + p["b_t"][0])
    np.testing.assert_allclose(y, s0["s"] + t * (h - s0["s"]), rtol=0, atol=1e-15)


def test_a_carry_gate_that_reads_the_negative_of_the_transform_gate_is_coupled() -> None:
    step, p, xs, s0, _, _ = problem("rhn_uncoupled")
    negative = p | {f"{kind}_c": -p[f"{kind}_t"] for kind in "WRb"}  # σ(-z) = 1 - σ(z)
    np.testing.assert_allclose(run(step, negative, xs, s0)[0], run(rhn.step, p, xs, s0)[0], rtol=0, atol=1e-14)


def test_nesting_to_depth_one_is_the_lstm() -> None:
    _, p, xs, s0, _, _ = problem("nested_lstm")
    plain = p | first({name: p[name] for name in p if name[0] in "Rb"})
    shallow = {
        name: value[:0] if name[0] == "V" else value[:1] if name[0] in "Rb" else value for name, value in p.items()
    }
    ys, last = run(nested_lstm.step, shallow, xs, s0 | {"c": s0["c"][:1]})
    expected, end = run(lstm.step, plain, xs, s0 | {"c": s0["c"][0]})
    np.testing.assert_allclose(ys, expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(last["c"][0], end["c"], rtol=0, atol=1e-15)


def test_a_nested_lstm_of_two_levels_written_out_level_by_level() -> None:
    _, p, xs, s0, _, _ = problem("nested_lstm")
    p = {name: value[:1] if name[0] == "V" else value[:2] if name[0] in "Rb" else value for name, value in p.items()}
    s0 = s0 | {"c": s0["c"][:2]}
    y, s = nested_lstm.step(p, xs[0], s0)
    outer = {a: p[f"W_{a}"] @ xs[0] + p[f"R_{a}"][0] @ s0["h"] + p[f"b_{a}"][0] for a in "ifog"}
    x_in, h_in = sigmoid(outer["i"]) * outer["g"], sigmoid(outer["f"]) * s0["c"][0]
    inner = {a: p[f"V_{a}"][0] @ x_in + p[f"R_{a}"][1] @ h_in + p[f"b_{a}"][1] for a in "ifog"}
    c_in = sigmoid(inner["f"]) * s0["c"][1] + sigmoid(inner["i"]) * np.tanh(inner["g"])
    c_out = sigmoid(inner["o"]) * np.tanh(c_in)
    np.testing.assert_allclose(s["c"], [c_out, c_in], rtol=0, atol=1e-15)
    np.testing.assert_allclose(y, sigmoid(outer["o"]) * np.tanh(c_out), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ["array_lstm", "array_lstm_pooled", "array_lstm_stochastic"])
def test_an_array_of_one_lane_is_the_lstm(name: str) -> None:
    _, p, xs, s0, _, _ = problem(name)
    step = partial(STEPS[name], u=np.full((1, HIDDEN), 0.5)) if name in NOISE else STEPS[name]
    one = {key: value[:1] for key, value in p.items()}
    ys, last = run(step, one, xs, s0 | {"c": s0["c"][:1]})
    expected, end = run(lstm.step, first(p), xs, s0 | {"c": s0["c"][0]})
    np.testing.assert_allclose(ys, expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(last["c"][0], end["c"], rtol=0, atol=1e-15)


def test_attention_to_one_lane_is_an_lstm_whose_forget_gate_is_turned_round() -> None:
    _, p, xs, s0, _, _ = problem("array_lstm_soft")
    one = {key: value[:1] for key, value in p.items()}
    negative = first(one) | {f"{kind}_f": -p[f"{kind}_f"][0] for kind in "WRb"}  # σ(-z) = 1 - σ(z)
    expected, _ = run(lstm.step, negative, xs, s0 | {"c": s0["c"][0]})
    alone = s0 | {"c": s0["c"][:1]}
    for step in (array_lstm.step_soft, array_lstm.step_soft_logits, array_lstm.step_max):
        np.testing.assert_allclose(run(step, one, xs, alone)[0], expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["array_lstm_max", "array_lstm_stochastic", "array_lstm_hard", "array_lstm_semi_hard"])
def test_one_lane_of_each_unit_moves_and_the_others_keep_every_bit(name: str) -> None:
    step, p, xs, s0, _, _ = problem(name)
    _, s = step(p, xs[0], s0)
    np.testing.assert_array_equal((s["c"] == s0["c"]).sum(axis=0), np.full(HIDDEN, LANES - 1))


def test_lanes_are_drawn_as_often_as_their_softmax_says() -> None:
    """100,000 draws: a frequency lies within 5 standard deviations, 5 √(1/4 / 1e5) < 0.008, of its probability."""
    logits = np.array([[0.3], [-0.5], [1.1]])
    u = np.random.default_rng(0).uniform(size=(3, 100_000))
    found = array_lstm.chosen(logits + array_lstm.gumbel(u)).mean(axis=1)
    np.testing.assert_allclose(found, array_lstm.over_lanes(logits)[:, 0], rtol=0, atol=0.008)


def test_semi_hard_choice_has_the_values_of_the_hard_step_and_the_derivatives_of_the_soft_one() -> None:
    step, p, xs, s0, w_y, w_s = problem("array_lstm_semi_hard")
    hard, _, _, _, _, _ = problem("array_lstm_hard")
    np.testing.assert_array_equal(run(step, p, xs, s0)[0], run(hard, p, xs, s0)[0])
    one_step = (p, xs[:1], s0, w_y[:1], w_s)
    assert_close(gradients(step, *one_step), gradients(array_lstm.step_soft, *one_step), 0)
    assert np.abs(gradients(step, *one_step)["p.W_s"] - gradients(hard, *one_step)["p.W_s"]).max() > 1e-3


def test_without_its_tensor_the_gru_rntn_is_the_gru_with_its_update_gate_turned_round() -> None:
    step, p, xs, s0, _, _ = problem("gru_rntn")
    flat = p | {"T": np.zeros_like(p["T"])} | {f"{kind}_z": -p[f"{kind}_z"] for kind in "WRb"}
    np.testing.assert_allclose(run(step, flat, xs, s0)[0], run(gru_reset_before.step, p, xs, s0)[0], rtol=0, atol=1e-14)


def test_without_its_tensor_the_lstm_rntn_is_the_lstm() -> None:
    step, p, xs, s0, _, _ = problem("lstm_rntn")
    flat = p | {"T": np.zeros_like(p["T"])}
    np.testing.assert_allclose(run(step, flat, xs, s0)[0], run(lstm.step, p, xs, s0)[0], rtol=0, atol=1e-15)


def test_without_peepholes_the_fed_back_half_of_lstmp_is_the_projected_lstm() -> None:
    _, p, xs, s0, _, _ = problem("lstmp")
    blind = p | {f"p_{a}": np.zeros(HIDDEN) for a in "ifo"}
    expected, _ = run(lstm_projected.step, p | {"W_hr": p["W_rm"]}, xs, {"h": s0["r"], "c": s0["c"]})
    np.testing.assert_allclose(run(lstmp.step, blind, xs, s0)[0][:, : SIZES["P"]], expected, rtol=0, atol=1e-14)
