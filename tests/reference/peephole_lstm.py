"""LSTM whose gates see the cell state through diagonal peepholes.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)
    h_t = o_t ⊙ tanh(c_t)

The output gate sees the new cell state, the others the old one.

Parameters, for each a of i, f, g, o: W_a (H, D), R_a (H, H), b_a (H,); p_i, p_f and p_o (H,). State: h (H,), c (H,).
The output is h_t.
Source: Gers and Schmidhuber, "Recurrent Nets that Time and Count", IJCNN 2000.
Differs: blocks of one cell, tanh for both squashing functions.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    i_t = sigmoid(p["W_i"] @ x + p["R_i"] @ s["h"] + p["p_i"] * s["c"] + p["b_i"])
    f_t = sigmoid(p["W_f"] @ x + p["R_f"] @ s["h"] + p["p_f"] * s["c"] + p["b_f"])
    g_t = np.tanh(p["W_g"] @ x + p["R_g"] @ s["h"] + p["b_g"])
    c_t = f_t * s["c"] + i_t * g_t
    o_t = sigmoid(p["W_o"] @ x + p["R_o"] @ s["h"] + p["p_o"] * c_t + p["b_o"])
    h_t = o_t * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}
