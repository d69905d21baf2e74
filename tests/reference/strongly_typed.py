"""Strongly-typed recurrent networks: T-RNN (`step_t_rnn`), T-LSTM, T-GRU, and the minimal cell T-MR.

    T-RNN   z_t = W_z x_t,  f_t = σ(W_f x_t + b_f)
            h_t = f_t ⊙ h_{t-1} + (1 - f_t) ⊙ z_t

    T-LSTM  z_t = V_z x_{t-1} + W_z x_t + b_z
            f_t = σ(V_f x_{t-1} + W_f x_t + b_f)
            o_t = tanh(V_o x_{t-1} + W_o x_t + b_o)
            c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ z_t
            h_t = c_t ⊙ o_t

    T-GRU   z_t, f_t, o_t as in T-LSTM
            h_t = f_t ⊙ h_{t-1} + z_t ⊙ o_t

    T-MR    h_t = max(0, u ⊙ h_{t-1} + W x_t + b)

Parameters: every W and V (H, D), u and every b (H,). State: T-RNN, T-MR h; T-LSTM c, T-GRU h, and of both the products
v_a = V_a x_{t-1} for a of z, f, o. The output is h_t.
Source: Balduzzi and Ghifary, "Strongly-Typed Recurrent Neural Networks", ICML 2016.
Differs: the state keeps V x_{t-1} in place of x_{t-1}; u and b of T-MR are the paper's b and c.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid
from reference.elman import relu


def step_t_rnn(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z_t = p["W_z"] @ x
    f_t = sigmoid(p["W_f"] @ x + p["b_f"])
    h_t = f_t * s["h"] + (1 - f_t) * z_t
    return h_t, {"h": h_t}


def two_inputs(p: Arrays, x: Array, s: Arrays, a: str) -> Array:
    """V_a x_{t-1} + W_a x_t + b_a."""
    return s[f"v_{a}"] + p[f"W_{a}"] @ x + p[f"b_{a}"]


def kept(p: Arrays, x: Array, names: str) -> Arrays:
    """What x_t will add to the next step."""
    return {f"v_{a}": p[f"V_{a}"] @ x for a in names}


def step_t_lstm(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z_t = two_inputs(p, x, s, "z")
    f_t = sigmoid(two_inputs(p, x, s, "f"))
    o_t = np.tanh(two_inputs(p, x, s, "o"))
    c_t = f_t * s["c"] + (1 - f_t) * z_t
    return c_t * o_t, {"c": c_t, **kept(p, x, "zfo")}


def step_t_gru(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z_t = two_inputs(p, x, s, "z")
    f_t = sigmoid(two_inputs(p, x, s, "f"))
    o_t = np.tanh(two_inputs(p, x, s, "o"))
    h_t = f_t * s["h"] + z_t * o_t
    return h_t, {"h": h_t, **kept(p, x, "zfo")}


def step_t_mr(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h_t = relu(p["u"] * s["h"] + p["W"] @ x + p["b"])
    return h_t, {"h": h_t}
