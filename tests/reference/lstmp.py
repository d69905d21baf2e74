"""LSTM with peepholes whose outputs are projected, one projection that is fed back and one that is not.

    i_t = σ(W_i x_t + R_i r_{t-1} + p_i ⊙ c_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f r_{t-1} + p_f ⊙ c_{t-1} + b_f)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ tanh(W_g x_t + R_g r_{t-1} + b_g)
    o_t = σ(W_o x_t + R_o r_{t-1} + p_o ⊙ c_t + b_o)
    m_t = o_t ⊙ tanh(c_t)
    r_t = W_rm m_t
    p_t = W_pm m_t
    y_t = [r_t; p_t]

Parameters, for each a of i, f, g, o: W_a (H, D), R_a (H, P), b_a (H,); p_i, p_f and p_o (H,); W_rm (P, H); W_pm (F, H). State:
r (P,), c (H,). The output is y_t, (P + F,).
Source: Sak, Senior and Beaufays, "Long Short-Term Memory Based Recurrent Neural Network Architectures for Large Vocabulary
Speech Recognition", arXiv 1402.1128, 2014, equations 8-14.
Differs: the output layer, a linear map of y_t, is not part of the cell.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    i_t = sigmoid(p["W_i"] @ x + p["R_i"] @ s["r"] + p["p_i"] * s["c"] + p["b_i"])
    f_t = sigmoid(p["W_f"] @ x + p["R_f"] @ s["r"] + p["p_f"] * s["c"] + p["b_f"])
    c_t = f_t * s["c"] + i_t * np.tanh(p["W_g"] @ x + p["R_g"] @ s["r"] + p["b_g"])
    o_t = sigmoid(p["W_o"] @ x + p["R_o"] @ s["r"] + p["p_o"] * c_t + p["b_o"])
    m_t = o_t * np.tanh(c_t)
    r_t, p_t = p["W_rm"] @ m_t, p["W_pm"] @ m_t
    return np.concatenate([r_t, p_t]), {"r": r_t, "c": c_t}
