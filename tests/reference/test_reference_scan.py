"""References of cells whose products read the input alone: their derivatives, and the paper's form over a whole sequence."""

import numpy as np
import pytest
from reference import min_rnns, qrnn, sru, strongly_typed
from reference.arrays import Array, Arrays, sigmoid
from reference.problems import problem
from reference.run import gradients, run
from reference.test_reference import assert_close, central_differences

pytestmark = pytest.mark.tiny

NAMES = [
    "t_rnn", "t_lstm", "t_gru", "t_mr", "sru_v1", "sru_v1_projected", "sru", "sru_projected", "qrnn_f", "qrnn_fo", "qrnn_ifo",
    "qrnn_f_width_1", "qrnn_fo_width_1", "qrnn_ifo_width_1", "indrnn", "min_gru", "min_gru_positive", "min_lstm",
    "min_lstm_positive", "rrnn_b", "rrnn_b_max_plus", "rrnn_c", "rrnn_f", "sopa", "sopa_max_plus", "sopa_max_times", "para_gru",
    "para_lstm",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_complex_step_derivatives_equal_central_differences(name: str) -> None:
    """To 1e-6 of the largest: differences of width 1e-5 err by h² L'''/6 and by rounding of L over h."""
    given = problem(name)
    slopes, differences = gradients(*given), central_differences(*given)
    largest = max(float(np.abs(slope).max()) for slope in slopes.values())
    assert_close(slopes, differences, 1e-6 * largest)


def with_the_input_before(p: Arrays, xs: Array, a: str) -> Array:
    """V_a x_{t-1} + W_a x_t + b_a at every t, with nothing before the first."""
    return np.concatenate([np.zeros_like(xs[:1]), xs[:-1]]) @ p[f"V_{a}"].T + xs @ p[f"W_{a}"].T + p[f"b_{a}"]


def pooled(f: Array, driven: Array) -> Array:
    """c_t = f_t ⊙ c_{t-1} + driven_t from c = 0, as a sum over all sources: each is multiplied by every f after it."""
    return np.stack([sum(np.prod(f[j + 1 : t + 1], axis=0) * driven[j] for j in range(t + 1)) for t in range(len(f))])


def test_a_t_lstm_is_an_average_of_two_step_convolutions() -> None:
    _, p, xs, s0, _, _ = problem("t_lstm")
    z, f, o = (with_the_input_before(p, xs, a) for a in "zfo")
    expected = pooled(sigmoid(f), (1 - sigmoid(f)) * z) * np.tanh(o)
    ys, _ = run(strongly_typed.step_t_lstm, p, xs, {name: np.zeros_like(value) for name, value in s0.items()})
    np.testing.assert_allclose(ys, expected, rtol=0, atol=1e-14)


def test_ifo_pooling_is_a_sum_of_two_step_convolutions() -> None:
    _, p, xs, s0, _, _ = problem("qrnn_ifo")
    z, f, o, i = (with_the_input_before(p, xs, a) for a in "zfoi")
    expected = sigmoid(o) * pooled(sigmoid(f), sigmoid(i) * np.tanh(z))
    ys, _ = run(qrnn.step_ifo, p, xs, {name: np.zeros_like(value) for name, value in s0.items()})
    np.testing.assert_allclose(ys, expected, rtol=0, atol=1e-14)


def test_the_first_sru_is_an_average_of_its_inputs_with_a_highway() -> None:
    _, p, xs, s0, _, _ = problem("sru_v1")
    f, r = sigmoid(xs @ p["W_f"].T + p["b_f"]), sigmoid(xs @ p["W_r"].T + p["b_r"])
    expected = r * np.tanh(pooled(f, (1 - f) * (xs @ p["W"].T))) + (1 - r) * xs
    ys, _ = run(sru.step_v1, p, xs, {"c": np.zeros_like(s0["c"])})
    np.testing.assert_allclose(ys, expected, rtol=0, atol=1e-14)


def test_the_gates_of_a_min_lstm_share_one() -> None:
    """With equal gates the state is the mean of what it was and the candidate."""
    _, p, xs, s0, _, _ = problem("min_lstm")
    alike = p | {"W_i": p["W_f"], "b_i": p["b_f"]}
    ys, _ = run(min_rnns.step_lstm, alike, xs[:1], s0)
    np.testing.assert_allclose(ys[0], (s0["h"] + p["W_h"] @ xs[0] + p["b_h"]) / 2, rtol=0, atol=1e-15)


def test_the_positive_candidate_is_continuous_at_zero_and_never_negative() -> None:
    """g(0) = 1/2 from either side, with slopes 1 and 1/4."""
    near = min_rnns.g(np.array([-1e-9, 0.0, 1e-9]))
    np.testing.assert_allclose(near, [0.5 - 0.25e-9, 0.5, 0.5 + 1e-9], rtol=0, atol=1e-15)
    assert np.all(min_rnns.g(np.linspace(-30, 30, 61)) > 0)
