"""Multiplicative LSTM: the recurrent input of every gate is a product of what x_t and h_{t-1} say, element by element.

    m_t = (W_m x_t) ⊙ (R_m h_{t-1})
    i_t = σ(W_i x_t + R_i m_t + b_i)                 f_t and o_t likewise

textbook form, `step`:                               the authors' first code, `step_linear`:
    g_t = tanh(W_g x_t + R_g m_t + b_g)                  g_t = W_g x_t + R_g m_t
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t                      c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = o_t ⊙ tanh(c_t)                                h_t = tanh(c_t ⊙ o_t + b_h)

Parameters: W_m (H, D), R_m (H, H); for each a of i, f, o, g: W_a (H, D), R_a (H, H), b_a (H,); `step_linear` has b_h (H,) in
place of b_g. State: h (H,), c (H,). The output is h_t.
Source: Krause, Lu, Murray and Renals, "Multiplicative LSTM for Sequence Modelling", arXiv 1609.07959, 2016, and its two
programs.
Differs: nothing.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def products(p: Arrays, x: Array, s: Arrays, a: str) -> Array:
    m_t = (p["W_m"] @ x) * (p["R_m"] @ s["h"])
    return p[f"W_{a}"] @ x + p[f"R_{a}"] @ m_t


def gates(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Array, Array]:
    i_t, f_t, o_t = (sigmoid(products(p, x, s, a) + p[f"b_{a}"]) for a in "ifo")
    return i_t, f_t, o_t


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    i_t, f_t, o_t = gates(p, x, s)
    c_t = f_t * s["c"] + i_t * np.tanh(products(p, x, s, "g") + p["b_g"])
    h_t = o_t * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}


def step_linear(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    i_t, f_t, o_t = gates(p, x, s)
    c_t = f_t * s["c"] + i_t * products(p, x, s, "g")
    h_t = np.tanh(c_t * o_t + p["b_h"])
    return h_t, {"h": h_t, "c": c_t}
