"""LSTM whose output is projected to fewer units before it is fed back.

    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = W_hr (o_t ⊙ tanh(c_t))

Parameters, for each a of i, f, g, o: W_a (H, D), R_a (H, P), b_a (H,); W_hr (P, H). State: h (P,), c (H,). The
output is h_t.
Source: Sak, Senior and Beaufays, "Long Short-Term Memory Based Recurrent Neural Network Architectures for Large
Vocabulary Speech Recognition", arXiv 1402.1128, 2014.
Differs: no peepholes and no second, non-recurrent projection, as torch.nn.LSTM(proj_size=P).
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    i_t = sigmoid(p["W_i"] @ x + p["R_i"] @ s["h"] + p["b_i"])
    f_t = sigmoid(p["W_f"] @ x + p["R_f"] @ s["h"] + p["b_f"])
    g_t = np.tanh(p["W_g"] @ x + p["R_g"] @ s["h"] + p["b_g"])
    o_t = sigmoid(p["W_o"] @ x + p["R_o"] @ s["h"] + p["b_o"])
    c_t = f_t * s["c"] + i_t * g_t
    h_t = p["W_hr"] @ (o_t * np.tanh(c_t))
    return h_t, {"h": h_t, "c": c_t}
