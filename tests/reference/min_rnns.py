"""minGRU and minLSTM, plain and with positive candidates (`..._positive`).

    minGRU   z_t = σ(W_z x_t + b_z)
             h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ g(W_h x_t + b_h)

    minLSTM  f_t = σ(W_f x_t + b_f),  i_t = σ(W_i x_t + b_i)
             h_t = f_t / (f_t + i_t) ⊙ h_{t-1} + i_t / (f_t + i_t) ⊙ g(W_h x_t + b_h)

Plain: g(a) = a. Positive: g(a) = a + 1/2 where a ≥ 0, else σ(a).
Parameters: every W (H, D), every b (H,). State: h (H,). The output is h_t.
Source: Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, "Were RNNs All We Needed?", arXiv 2410.01201, 2024.
Differs: nothing.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def g(a: Array) -> Array:
    return np.where(np.real(a) >= 0, a + 0.5, sigmoid(a))


def mixed_gru(p: Arrays, x: Array, s: Arrays, candidate: Array) -> tuple[Array, Arrays]:
    z_t = sigmoid(p["W_z"] @ x + p["b_z"])
    h_t = (1 - z_t) * s["h"] + z_t * candidate
    return h_t, {"h": h_t}


def mixed_lstm(p: Arrays, x: Array, s: Arrays, candidate: Array) -> tuple[Array, Arrays]:
    f_t, i_t = sigmoid(p["W_f"] @ x + p["b_f"]), sigmoid(p["W_i"] @ x + p["b_i"])
    h_t = f_t / (f_t + i_t) * s["h"] + i_t / (f_t + i_t) * candidate
    return h_t, {"h": h_t}


def step_gru(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return mixed_gru(p, x, s, p["W_h"] @ x + p["b_h"])


def step_gru_positive(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return mixed_gru(p, x, s, g(p["W_h"] @ x + p["b_h"]))


def step_lstm(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return mixed_lstm(p, x, s, p["W_h"] @ x + p["b_h"])


def step_lstm_positive(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return mixed_lstm(p, x, s, g(p["W_h"] @ x + p["b_h"]))
