"""The NumPy references, against torch where torch has the cell, and against themselves where it has not."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from reference import elman, gru_reset_after, gru_reset_before, lstm, lstm_projected, peephole_lstm
from reference.arrays import Array, Arrays
from reference.problems import PARAMS, SIZES, problem
from reference.run import Step, gradients, run

pytestmark = pytest.mark.tiny

TORCH: dict[str, Callable[[], torch.nn.RNNBase]] = {
    "elman": lambda: torch.nn.RNN(3, 6, dtype=torch.float64),
    "elman_relu": lambda: torch.nn.RNN(3, 6, nonlinearity="relu", dtype=torch.float64),
    "lstm": lambda: torch.nn.LSTM(3, 6, dtype=torch.float64),
    "lstm_projected": lambda: torch.nn.LSTM(3, 6, proj_size=4, dtype=torch.float64),
    "gru_reset_after": lambda: torch.nn.GRU(3, 6, dtype=torch.float64),
}
TORCH_GATES = {"elman": "", "elman_relu": "", "lstm": "ifgo", "lstm_projected": "ifgo", "gru_reset_after": "rzn"}


def torch_weights(name: str, p: Arrays) -> dict[str, Array]:
    """The parameters under torch's names, gates stacked; the second bias is 0 save the `b_hn` of the GRU."""
    gates = [f"_{gate}" for gate in TORCH_GATES[name]] or [""]
    bias = np.concatenate([p[f"b{gate}"] for gate in gates])
    second_bias = np.zeros_like(bias)
    if "b_hn" in p:
        second_bias[-len(p["b_hn"]) :] = p["b_hn"]
    weights = {
        "weight_ih_l0": np.concatenate([p[f"W{gate}"] for gate in gates]),
        "weight_hh_l0": np.concatenate([p[f"R{gate}"] for gate in gates]),
        "bias_ih_l0": bias,
        "bias_hh_l0": second_bias,
    }
    return weights | ({"weight_hr_l0": p["W_hr"]} if "W_hr" in p else {})


def torch_run(
    name: str, p: Arrays, xs: Array, s0: Arrays
) -> tuple[torch.nn.RNNBase, torch.Tensor, dict[str, torch.Tensor], torch.Tensor, dict[str, torch.Tensor]]:
    """The torch module with p's weights, and its inputs (leaves), outputs and last state, without a batch axis."""
    module = TORCH[name]()
    module.load_state_dict({key: torch.from_numpy(value) for key, value in torch_weights(name, p).items()})
    x = torch.from_numpy(xs).clone().requires_grad_()
    first = {key: torch.from_numpy(value).clone().requires_grad_() for key, value in s0.items()}
    h_0 = first["h"].unsqueeze(0)
    if "c" not in first:
        ys, h_n = module(x, h_0)
        return module, x, first, ys, {"h": h_n.squeeze(0)}
    ys, (h_n, c_n) = module(x, (h_0, first["c"].unsqueeze(0)))
    return module, x, first, ys, {"h": h_n.squeeze(0), "c": c_n.squeeze(0)}


def central_differences(
    step: Step, p: Arrays, xs: Array, s0: Arrays, w_y: Array, w_s: Arrays, width: float = 1e-5
) -> Arrays:
    theta = {f"p.{key}": p[key].copy() for key in p} | {"x": xs.copy()} | {f"s.{key}": s0[key].copy() for key in s0}

    def loss() -> float:
        ys, last = run(step, {key: theta[f"p.{key}"] for key in p}, theta["x"], {key: theta[f"s.{key}"] for key in s0})
        return float(np.sum(w_y * ys) + sum(np.sum(w_s[key] * last[key]) for key in last))

    slopes: Arrays = {key: np.zeros(value.shape) for key, value in theta.items()}
    for key, value in theta.items():
        for at in np.ndindex(value.shape):
            middle = value[at]
            value[at] = middle + width
            above = loss()
            value[at] = middle - width
            slopes[key][at] = (above - loss()) / (2 * width)
            value[at] = middle
    return slopes


def assert_close(given: Arrays, expected: Arrays, tolerance: float) -> None:
    assert given.keys() == expected.keys()
    for key in expected:
        np.testing.assert_allclose(given[key], expected[key], rtol=0, atol=tolerance, err_msg=key)


@pytest.mark.parametrize("name", TORCH)
def test_outputs_and_last_state_equal_torch(name: str) -> None:
    step, p, xs, s0, _, _ = problem(name)
    ys, last = run(step, p, xs, s0)
    _, _, _, torch_ys, torch_last = torch_run(name, p, xs, s0)
    np.testing.assert_allclose(ys, torch_ys.detach().numpy(), rtol=0, atol=1e-12)
    assert_close(last, {key: value.detach().numpy() for key, value in torch_last.items()}, 1e-12)


@pytest.mark.parametrize("name", TORCH)
def test_complex_step_gradients_equal_torch_autograd(name: str) -> None:
    step, p, xs, s0, w_y, w_s = problem(name)
    module, x, first, ys, last = torch_run(name, p, xs, s0)
    loss = (torch.from_numpy(w_y) * ys).sum() + sum((torch.from_numpy(w_s[key]) * last[key]).sum() for key in last)
    leaves = {key: module.get_parameter(key) for key in torch_weights(name, p)} | {"x": x} | first
    slopes = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    ours = gradients(step, p, xs, s0, w_y, w_s)
    stacked = torch_weights(name, {key: ours[f"p.{key}"] for key in p})
    candidate = slice(-SIZES["H"], None)
    if "b_hn" in p:
        np.testing.assert_allclose(
            stacked["bias_hh_l0"][candidate], slopes["bias_hh_l0"].numpy()[candidate], rtol=0, atol=1e-10
        )
    del stacked["bias_hh_l0"], slopes["bias_hh_l0"]
    assert_close(
        stacked | {"x": ours["x"]} | {key: ours[f"s.{key}"] for key in s0},
        {key: value.numpy() for key, value in slopes.items()},
        1e-10,
    )


@pytest.mark.parametrize("name", ["jordan", "lstm_1997", "peephole_lstm", "gru_reset_before"])
def test_complex_step_gradients_equal_central_differences(name: str) -> None:
    """To 1e-7: differences of width 1e-5 err by about 1e-10 (third derivative) and 1e-10 (rounding of L over 1e-5)."""
    given = problem(name)
    slopes = gradients(*given)
    assert_close(slopes, central_differences(*given), 1e-7)
    assert all(np.all(slope != 0) for slope in slopes.values())


@pytest.mark.parametrize("name", PARAMS)
def test_a_split_sequence_with_carried_state_gives_the_same_numbers(name: str) -> None:
    step, p, xs, s0, _, _ = problem(name)
    ys, last = run(step, p, xs, s0)
    ys_1, middle = run(step, p, xs[:2], s0)
    ys_2, last_2 = run(step, p, xs[2:], middle)
    np.testing.assert_array_equal(np.concatenate([ys_1, ys_2]), ys)
    assert_close(last_2, last, 0)


@pytest.mark.parametrize("name", PARAMS)
def test_state_and_output_keep_their_shapes_and_what_was_given_is_not_changed(name: str) -> None:
    step, p, xs, s0, w_y, w_s = problem(name)
    _, p_before, xs_before, s0_before, _, _ = problem(name)
    ys, last = run(step, p, xs, s0)
    gradients(step, p, xs, s0, w_y, w_s)
    assert ys.shape == w_y.shape
    assert {key: value.shape for key, value in last.items()} == {key: value.shape for key, value in s0.items()}
    assert_close(p | s0 | {"x": xs}, p_before | s0_before | {"x": xs_before}, 0)


def test_the_rectifier_opens_at_zero_and_its_complex_step_slope_is_zero_or_one() -> None:
    z = np.array([-1e-9, 0.0, 1e-9]) + 1e-30j
    np.testing.assert_array_equal(elman.relu(z), [0, 0, 1e-9 + 1e-30j])


def test_gradients_of_a_polynomial_are_exact() -> None:
    def power(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
        return p["a"] * x**2, {"k": s["k"] ** 3}

    given = gradients(
        power,
        {"a": np.array([3.0])},
        np.array([[5.0]]),
        {"k": np.array([2.0])},
        np.array([[1.0]]),
        {"k": np.array([7])},
    )
    assert_close(given, {"p.a": np.array([25.0]), "x": np.array([[30.0]]), "s.k": np.array([84.0])}, 1e-13)


def test_peepholes_of_zero_leave_the_lstm() -> None:
    step, p, xs, s0, _, _ = problem("peephole_lstm")
    p |= {key: np.zeros_like(p[key]) for key in ("p_i", "p_f", "p_o")}
    ys, last = run(step, p, xs, s0)
    expected_ys, expected_last = run(lstm.step, p, xs, s0)
    np.testing.assert_allclose(ys, expected_ys, rtol=0, atol=1e-15)
    assert_close(last, expected_last, 1e-15)


def test_output_peephole_sees_the_new_cell_state_and_the_others_the_old() -> None:
    """One unit without weights but peepholes: every value below is the equation written out by hand."""
    p = {key: np.zeros(tuple({"D": 1, "H": 1}[axis] for axis in axes)) for key, axes in PARAMS["peephole_lstm"].items()}
    p |= {"p_i": np.array([0.5]), "p_f": np.array([-0.3]), "p_o": np.array([2.0]), "b_g": np.array([1.5])}
    y, s = peephole_lstm.step(p, np.array([0.0]), {"h": np.array([9.0]), "c": np.array([0.8])})
    c_t = 0.8 / (1 + math.exp(0.3 * 0.8)) + math.tanh(1.5) / (1 + math.exp(-0.5 * 0.8))
    h_t = math.tanh(c_t) / (1 + math.exp(-2.0 * c_t))
    assert s["c"][0] == pytest.approx(c_t, abs=1e-15)
    assert y[0] == pytest.approx(h_t, abs=1e-15)


def test_projection_by_the_identity_leaves_the_lstm() -> None:
    step, p, xs, s0, _, _ = problem("lstm")
    ys, last = run(step, p, xs, s0)
    ys_projected, last_projected = run(lstm_projected.step, p | {"W_hr": np.eye(SIZES["H"])}, xs, s0)
    np.testing.assert_array_equal(ys_projected, ys)
    assert_close(last_projected, last, 0)


def test_the_two_grus_agree_while_the_reset_gate_is_open_and_differ_otherwise() -> None:
    _, p, xs, s0, _, _ = problem("gru_reset_after")
    p["b_hn"] = np.zeros_like(p["b_hn"])
    opened = p | {"b_r": np.full_like(p["b_r"], 60.0)}
    ys_before, ys_after = (run(cell.step, opened, xs, s0)[0] for cell in (gru_reset_before, gru_reset_after))
    np.testing.assert_allclose(ys_before, ys_after, rtol=0, atol=1e-15)
    ys_before, ys_after = (run(cell.step, p, xs, s0)[0] for cell in (gru_reset_before, gru_reset_after))
    assert np.abs(ys_before - ys_after).max() > 1e-3


def test_resetting_before_a_permutation_is_resetting_after_it_with_the_gate_permuted() -> None:
    """Π(r ⊙ h) = (Πr) ⊙ (Πh): ties the form torch lacks to the form it has, with the reset gate at work."""
    _, p, xs, s0, _, _ = problem("gru_reset_after")
    order = np.array([3, 0, 5, 1, 2, 4])
    p |= {"R_n": np.eye(SIZES["H"])[order], "b_hn": np.zeros_like(p["b_hn"])}
    ys_before, _ = run(gru_reset_before.step, p, xs, s0)
    ys_after, _ = run(gru_reset_after.step, p | {key: p[key][order] for key in ("W_r", "R_r", "b_r")}, xs, s0)
    np.testing.assert_allclose(ys_before, ys_after, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ["gru_reset_before", "gru_reset_after"])
def test_gru_with_the_update_gate_at_one_keeps_its_state_exactly(name: str) -> None:
    step, p, xs, s0, _, _ = problem(name)
    ys, _ = run(step, p | {"b_z": np.full_like(p["b_z"], 60.0)}, xs, s0)
    np.testing.assert_array_equal(ys, np.broadcast_to(s0["h"], ys.shape))


def test_jordan_state_units_sum_past_outputs_with_geometric_decay() -> None:
    """With V = 0 the output is constant, tanh(d), and s_t a geometric sum of it on top of the decayed start."""
    step, p, xs, s0, _, _ = problem("jordan")
    p |= {"V": np.zeros_like(p["V"]), "mu": np.array(0.5)}
    s0["y"] = np.tanh(p["d"])
    ys, last = run(step, p, xs, s0)
    np.testing.assert_array_equal(ys, np.broadcast_to(np.tanh(p["d"]), ys.shape))
    np.testing.assert_allclose(last["s"], s0["s"] / 32 + np.tanh(p["d"]) * (2 - 1 / 16), rtol=0, atol=1e-15)


def test_jordan_without_decay_feeds_the_last_output_back() -> None:
    step, p, xs, s0, _, _ = problem("jordan")
    ys, _ = run(step, p | {"mu": np.array(0.0)}, xs, s0)
    hidden = np.tanh(p["W"] @ xs[-1] + p["U"] @ ys[-2] + p["b"])
    np.testing.assert_allclose(ys[-1], np.tanh(p["V"] @ hidden + p["d"]), rtol=0, atol=1e-15)
