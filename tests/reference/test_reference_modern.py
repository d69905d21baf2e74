"""References of memories, closed-form and liquid networks, xLSTM and group networks: their own identities and derivatives."""

import math

import numpy as np
import pytest
from reference import cfc, contextual_lstm, lie_group, lmu, ltc, peephole_lstm, tpru, xlstm
from reference.arrays import Array, Arrays, sigmoid
from reference.problems import problem
from reference.run import gradients, run
from reference.test_reference import assert_close, central_differences

pytestmark = pytest.mark.tiny

NAMES = [
    "tpru", "contextual_lstm", "lmu", "cfc", "cfc_no_gate", "cfc_minimal", "ltc", "slstm", "mlstm_matrix", "lie_group",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_complex_step_derivatives_equal_central_differences(name: str) -> None:
    """To 1e-6 of the largest: differences of width 1e-5 err by h² L'''/6 and by rounding of L over h."""
    given = problem(name)
    slopes, differences = gradients(*given), central_differences(*given)
    largest = max(float(np.abs(slope).max()) for slope in slopes.values())
    assert_close(slopes, differences, 1e-6 * largest)


def test_a_topic_beside_the_word_is_a_longer_input_of_a_peephole_lstm() -> None:
    _, p, xs, s0, _, _ = problem("contextual_lstm")
    names = {"i": "i", "f": "f", "c": "g", "o": "o"}
    joined = {f"W_{ours}": np.concatenate([p[f"W_x{gate}"], p[f"W_T{gate}"]], axis=1) for gate, ours in names.items()}
    joined |= {f"R_{ours}": p[f"W_h{gate}"] for gate, ours in names.items()}
    joined |= {f"b_{ours}": p[f"b_{gate}"] for gate, ours in names.items()}
    joined |= {f"p_{gate}": p[f"w_c{gate}"] for gate in "ifo"}
    ys, last = run(contextual_lstm.step, p, xs, s0)
    expected_ys, expected_last = run(peephole_lstm.step, joined, xs, s0)
    np.testing.assert_allclose(ys, expected_ys, rtol=0, atol=1e-15)
    assert_close(last, expected_last, 1e-15)


def test_the_exponential_of_a_quarter_turn_is_a_quarter_turn() -> None:
    turn = np.array([[0, -math.pi / 2], [math.pi / 2, 0]])
    np.testing.assert_allclose(lie_group.exponential(turn), [[0, -1], [1, 0]], rtol=0, atol=1e-13)
    np.testing.assert_allclose(lie_group.exponential(40 * turn), np.eye(2), rtol=0, atol=1e-11)


def test_the_state_of_the_group_network_stays_a_rotation_and_undoes_a_word_by_its_opposite() -> None:
    _, p, xs, _, _, _ = problem("lie_group")
    start: Arrays = {"Z": np.zeros((6, 6))}
    _, last = run(lie_group.step, p, xs, start)
    rotation = last["Z"] + np.eye(6)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(6), rtol=0, atol=1e-12)
    _, there_and_back = run(lie_group.step, p, np.concatenate([xs, -xs[::-1]]), start)
    np.testing.assert_allclose(there_and_back["Z"], start["Z"], rtol=0, atol=1e-12)


def test_the_filler_weights_of_the_tpru_sum_to_one() -> None:
    """Binding roles that are all alike give that role whatever the weights; the gate σ(60) = 1 puts it out."""
    _, p, xs, s0, _, _ = problem("tpru")
    zeros = {name: np.zeros_like(p[name]) for name in ("W_r", "W_gx", "W_gh", "b_gh")}
    ys, _ = run(tpru.step, p | zeros | {"b_gx": np.full(6, 60.0)}, xs, s0)
    np.testing.assert_allclose(ys, np.broadcast_to(p["b_r"], ys.shape), rtol=0, atol=1e-14)


def test_the_memory_holds_its_input_constant_over_a_step() -> None:
    """Ā and B̄ are the blocks of exp([[A, B], [0, 0]] / θ): here by power series, in `memory` by eigenvalues."""
    order, window = 4, 7.0
    held, driven = lmu.memory(order, window)
    a = np.array(
        [[(2 * i + 1) * (-1.0 if i < j else (-1.0) ** (i - j + 1)) for j in range(order)] for i in range(order)]
    )
    b = np.array([(2 * i + 1) * (-1.0) ** i for i in range(order)])
    joined = np.zeros((order + 1, order + 1))
    joined[:order, :order], joined[:order, order] = a / window, b / window
    both = lie_group.exponential(joined)
    np.testing.assert_allclose(held, both[:order, :order], rtol=0, atol=1e-12)
    np.testing.assert_allclose(driven, both[:order, order], rtol=0, atol=1e-12)


def test_a_memory_of_a_constant_input_settles_on_that_constant() -> None:
    """The window's average, the first Legendre coefficient, is the constant; the others vanish."""
    held, driven = lmu.memory(4, 7.0)
    m = np.zeros(4)
    for _ in range(400):
        m = held @ m + driven * 3.0
    np.testing.assert_allclose(m, [3, 0, 0, 0], rtol=0, atol=1e-10)


def test_closed_form_networks_in_the_limit_of_their_time_gate() -> None:
    """s = σ(±60) leaves f2 or f1 alone in the default; the one without a gate adds f2 to f1 or not at all."""
    _, p, xs, s0, _, _ = problem("cfc")
    zeros = {name: np.zeros_like(p[name]) for name in ("T_a", "T_b", "b_a")}
    f1, f2, _ = cfc.heads(p, cfc.backbone(p, xs[0], s0))
    for bias, default, ungated in ((60.0, f2, f1 + f2), (-60.0, f1, f1)):
        settled = p | zeros | {"b_b": np.full(6, bias)}
        np.testing.assert_allclose(cfc.step(settled, xs[0], s0)[0], default, rtol=0, atol=1e-15)
        np.testing.assert_allclose(cfc.step_no_gate(settled, xs[0], s0)[0], ungated, rtol=0, atol=1e-15)


def test_a_minimal_closed_form_network_without_a_head_stays_where_it_is() -> None:
    _, p, xs, s0, _, _ = problem("cfc_minimal")
    ys, _ = run(cfc.step_minimal, p | {"F_1": np.zeros_like(p["F_1"]), "b_1": np.zeros(6)}, xs, s0)
    np.testing.assert_array_equal(ys, np.broadcast_to(p["A"], ys.shape))


def test_a_liquid_neuron_without_synapses_leaks_to_its_resting_potential() -> None:
    """Six steps of v <- (c v + g v_l) / (c + g) shrink the distance from rest by (c / (c + g))^6."""
    _, p, xs, s0, _, _ = problem("ltc")
    shut = p | {"w": np.full((6, 6), -800.0), "w_s": np.full((6, 3), -800.0)}
    ys, _ = run(ltc.step, shut, xs[:1], s0)
    c, g = ltc.softplus(p["c"]), ltc.softplus(p["g"])
    np.testing.assert_allclose(ys[0], p["v_l"] + (s0["v"] - p["v_l"]) * (c / (c + g)) ** 6, rtol=0, atol=1e-14)


def test_the_stabiliser_of_the_slstm_changes_no_output() -> None:
    """h_t from c and n without m: c_t = σ(f̃) c + exp(ĩ) z and n_t = σ(f̃) n + exp(ĩ), starting from exp(m) times the state."""
    _, p, xs, s0, _, _ = problem("slstm")
    ys, last = run(xlstm.step_slstm, p, xs, s0)

    def plain(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
        reads = {
            a: p[f"W_{a}"] @ x + np.einsum("nij,nj->ni", p[f"R_{a}"], s["h"].reshape(3, 2)).reshape(-1) + p[f"b_{a}"]
            for a in "zifo"
        }
        c_t = sigmoid(reads["f"]) * s["c"] + np.exp(reads["i"]) * np.tanh(reads["z"])
        n_t = sigmoid(reads["f"]) * s["n"] + np.exp(reads["i"])
        h_t = sigmoid(reads["o"]) * c_t / n_t
        return h_t, {"h": h_t, "c": c_t, "n": n_t}

    start = {"h": s0["h"], "c": s0["c"] * np.exp(s0["m"]), "n": s0["n"] * np.exp(s0["m"])}
    expected, end = run(plain, p, xs, start)
    np.testing.assert_allclose(ys, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(last["n"] * np.exp(last["m"]), end["n"], rtol=1e-12, atol=1e-12)


def test_the_stabiliser_of_the_mlstm_changes_no_output() -> None:
    """Without m the divisor is max(|n · q|, 1)."""
    _, p, xs, s0, _, _ = problem("mlstm_matrix")
    ys, _ = run(xlstm.step_mlstm_matrix, p, xs, s0)
    memory, normaliser = s0["C"] * np.exp(s0["m"])[:, None, None], s0["n"] * np.exp(s0["m"])[:, None]
    expected: list[Array] = []
    for x in xs:
        q, k, v = (p[f"W_{name}"] @ x + p[f"b_{name}"] for name in "qkv")
        i, f = np.exp(p["w_i"] @ x + p["b_i"]), sigmoid(p["w_f"] @ x + p["b_f"])
        memory = f[:, None, None] * memory + i[:, None, None] * v[:, :, None] * k[:, None, :] / math.sqrt(2)
        normaliser = f[:, None] * normaliser + i[:, None] * k / math.sqrt(2)
        read = np.einsum("nij,nj->ni", memory, q) / np.maximum(np.abs(np.sum(normaliser * q, axis=1)), 1)[:, None]
        expected.append(sigmoid(p["W_o"] @ x + p["b_o"]) * read.reshape(-1))
    np.testing.assert_allclose(ys, np.stack(expected), rtol=1e-12, atol=1e-12)
