"""GRU and LSTM with a tensor product of input and state in the candidate.

GRURNTN, `step_gru`:
    r_t = σ(W_r x_t + R_r h_{t-1} + b_r)             z_t likewise
    q_t = r_t ⊙ h_{t-1}
    n_t = tanh(W_n x_t + R_n q_t + b_n + [x_tᵀ T[d] q_t]_{d = 1 ... H})
    h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ n_t

LSTMRNTN, `step_lstm`:
    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)             f_t and o_t likewise
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g + [x_tᵀ T[d] h_{t-1}]_{d = 1 ... H})
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = o_t ⊙ tanh(c_t)

Parameters, for each a of r, z, n or of i, f, g, o: W_a (H, D), R_a (H, H), b_a (H,); T (H, D, H), one D by H slice for each
hidden unit. State: h (H,), and c (H,) in the LSTM. The output is h_t.
Source: Tjandra, Sakti, Manurung, Adriani and Nakamura, "Gated Recurrent Neural Tensor Network", IJCNN 2016, arXiv 1706.02222.
Differs: nothing that is known; written from a detailed report of the paper.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def net(p: Arrays, a: str, x: Array, h: Array) -> Array:
    return p[f"W_{a}"] @ x + p[f"R_{a}"] @ h + p[f"b_{a}"]


def bilinear(tensor: Array, x: Array, h: Array) -> Array:
    """xᵀ T[d] h for every slice d."""
    return np.array([x @ part @ h for part in tensor])


def step_gru(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    r_t, z_t = sigmoid(net(p, "r", x, s["h"])), sigmoid(net(p, "z", x, s["h"]))
    q_t = r_t * s["h"]
    n_t = np.tanh(net(p, "n", x, q_t) + bilinear(p["T"], x, q_t))
    h_t = (1 - z_t) * s["h"] + z_t * n_t
    return h_t, {"h": h_t}


def step_lstm(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    i_t, f_t, o_t = (sigmoid(net(p, a, x, s["h"])) for a in "ifo")
    g_t = np.tanh(net(p, "g", x, s["h"]) + bilinear(p["T"], x, s["h"]))
    c_t = f_t * s["c"] + i_t * g_t
    h_t = o_t * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}
