"""Array-LSTM: K memory lanes behind each hidden unit, and the ways of the report to choose among them.

For each lane k, with all gates and candidates of the lane from the one shared h_{t-1}:

    f_k, i_k, o_k = σ(W_·k x_t + R_·k h_{t-1} + b_·k)        g_k = tanh(W_gk x_t + R_gk h_{t-1} + b_gk)

(a) `step`: every lane is an LSTM.
    c_k,t = f_k ⊙ c_k,t-1 + i_k ⊙ g_k                        h_t = Σ_k o_k ⊙ tanh(c_k,t)

(b) `step_soft`: attention over lanes, per hidden unit, with a forget gate that erases.
    a_k = σ(W_sk x_t + R_sk h_{t-1} + b_sk)                  the report; `step_soft_logits` without the σ, as its code
    s_k = exp(a_k) / Σ_j exp(a_j)
    f_k, i_k, o_k scaled by s_k; the candidate is not
    c_k,t = (1 - f_k) ⊙ c_k,t-1 + i_k ⊙ g_k                  h_t = Σ_k o_k ⊙ tanh(c_k,t)

(c) `step_max`: (b) for the lane k* of the largest s_k alone; the others keep c_k and add nothing to h.
(d) `step_pooled`: (a) for all lanes, then h_t = o_k* ⊙ tanh(c_k*,t), k* drawn from softmax_k(o_k).
(e) `step_stochastic`: (a) for one lane drawn uniformly; the others keep c_k and add nothing. `step_stochastic_half`: for one
    lane of each pair (2l, 2l + 1).
(f) `step_hard`: (c) with k* drawn from s. `step_semi_hard`: its values, with the derivatives of (b).

Draws are made from u (K, H), uniform in [0, 1), unit by unit: argmax_k (logit_k - log(-log u_k)) is a draw from the softmax of
the logits, and argmax_k u_k one from the uniform distribution.

Parameters, for each a of f, i, o, g (and s in b, c, f): W_a (K, H, D), R_a (K, H, H), b_a (K, H). State: h (H,), c (K, H). The
output is h_t.
Source: Rocki, "Recurrent Memory Array Structures", arXiv 1607.03085, 2016, sections 3 and 4.
Differs: nothing.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def net(p: Arrays, a: str, x: Array, h: Array) -> Array:
    """What adds up before the squashing function, for all lanes, (K, H)."""
    return p[f"W_{a}"] @ x + p[f"R_{a}"] @ h + p[f"b_{a}"]


def gates(p: Arrays, x: Array, h: Array) -> tuple[Array, Array, Array, Array]:
    f, i, o = (sigmoid(net(p, a, x, h)) for a in "fio")
    return f, i, o, np.tanh(net(p, "g", x, h))


def chosen(score: Array) -> Array:
    """1 in the lane of the largest score of each unit, else 0."""
    return np.eye(score.shape[0])[np.argmax(np.real(score), axis=0)].T


def gumbel(u: Array) -> Array:
    return -np.log(-np.log(np.real(u)))


def over_lanes(a: Array) -> Array:
    """Softmax over lanes."""
    e = np.exp(a - np.max(np.real(a), axis=0))
    return e / np.sum(e, axis=0)


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    f, i, o, g = gates(p, x, s["h"])
    c_t = f * s["c"] + i * g
    h_t = np.sum(o * np.tanh(c_t), axis=0)
    return h_t, {"h": h_t, "c": c_t}


def attended(p: Arrays, x: Array, s: Arrays, attention: Array, active: Array) -> tuple[Array, Arrays]:
    """(b) in the lanes where active is 1; c kept and nothing read where it is 0."""
    f, i, o, g = gates(p, x, s["h"])
    f, i, o = f * attention, i * attention, o * attention
    c_t = np.where(active == 1, (1 - f) * s["c"] + i * g, s["c"])
    h_t = np.sum(active * o * np.tanh(c_t), axis=0)
    return h_t, {"h": h_t, "c": c_t}


def attention_of(p: Arrays, x: Array, s: Arrays) -> Array:
    return over_lanes(sigmoid(net(p, "s", x, s["h"])))


def step_soft(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return attended(p, x, s, attention_of(p, x, s), np.ones(s["c"].shape))


def step_soft_logits(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return attended(p, x, s, over_lanes(net(p, "s", x, s["h"])), np.ones(s["c"].shape))


def step_max(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    attention = attention_of(p, x, s)
    return attended(p, x, s, attention, chosen(attention))


def step_pooled(p: Arrays, x: Array, s: Arrays, u: Array) -> tuple[Array, Arrays]:
    f, i, o, g = gates(p, x, s["h"])
    c_t = f * s["c"] + i * g
    h_t = np.sum(chosen(o + gumbel(u)) * o * np.tanh(c_t), axis=0)
    return h_t, {"h": h_t, "c": c_t}


def lanes_of_lstm(p: Arrays, x: Array, s: Arrays, active: Array) -> tuple[Array, Arrays]:
    """(a) in the lanes where active is 1; c kept and nothing read where it is 0."""
    f, i, o, g = gates(p, x, s["h"])
    c_t = np.where(active == 1, f * s["c"] + i * g, s["c"])
    h_t = np.sum(active * o * np.tanh(c_t), axis=0)
    return h_t, {"h": h_t, "c": c_t}


def step_stochastic(p: Arrays, x: Array, s: Arrays, u: Array) -> tuple[Array, Arrays]:
    return lanes_of_lstm(p, x, s, chosen(u))


def step_stochastic_half(p: Arrays, x: Array, s: Arrays, u: Array) -> tuple[Array, Arrays]:
    pairs = [chosen(u[first : first + 2]) for first in range(0, u.shape[0], 2)]
    return lanes_of_lstm(p, x, s, np.concatenate(pairs))


def step_hard(p: Arrays, x: Array, s: Arrays, u: Array) -> tuple[Array, Arrays]:
    attention = attention_of(p, x, s)
    return attended(p, x, s, attention, chosen(np.log(np.real(attention)) + gumbel(u)))


def step_semi_hard(p: Arrays, x: Array, s: Arrays, u: Array) -> tuple[Array, Arrays]:
    """Real parts, the values, from the hard step, and imaginary parts, the derivatives, from the soft one."""
    _, hard = step_hard(p, x, s, u)
    _, soft = step_soft(p, x, s)
    if not np.iscomplexobj(hard["h"]):
        return hard["h"], hard
    both = {field: np.real(hard[field]) + 1j * np.imag(soft[field]) for field in hard}
    return both["h"], both
