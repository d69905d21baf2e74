"""Quasi-recurrent network with f-, fo- and ifo-pooling; convolutions of width 2, or of width 1 (`..._width_1`).

    z_t = tanh(V_z x_{t-1} + W_z x_t + b_z)          f_t, o_t, i_t likewise with σ
    f-pooling       h_t = f_t ⊙ h_{t-1} + (1 - f_t) ⊙ z_t
    fo-pooling      c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ z_t,  h_t = o_t ⊙ c_t
    ifo-pooling     c_t = f_t ⊙ c_{t-1} + i_t ⊙ z_t,        h_t = o_t ⊙ c_t

Width 1 has no V. Parameters: every V and W (H, D), every b (H,). State: c (H,), or h (H,) with f-pooling, and at width 2
v_a = V_a x_{t-1} for each convolution a. The output is h_t.
Source: Bradbury, Merity, Xiong and Socher, "Quasi-Recurrent Neural Networks", ICLR 2017.
Differs: the state keeps V x_{t-1} in place of x_{t-1}.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def convolved(p: Arrays, x: Array, s: Arrays, a: str) -> Array:
    """The convolution named a, at this time step."""
    now = p[f"W_{a}"] @ x + p[f"b_{a}"]
    return now + s[f"v_{a}"] if f"v_{a}" in s else now


def kept(p: Arrays, x: Array, s: Arrays) -> Arrays:
    """What x_t will add to the next step, for the convolutions of width 2."""
    return {name: p[f"V_{name[2:]}"] @ x for name in s if name.startswith("v_")}


def step_f(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z_t, f_t = np.tanh(convolved(p, x, s, "z")), sigmoid(convolved(p, x, s, "f"))
    h_t = f_t * s["h"] + (1 - f_t) * z_t
    return h_t, {"h": h_t, **kept(p, x, s)}


def step_fo(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z_t, f_t = np.tanh(convolved(p, x, s, "z")), sigmoid(convolved(p, x, s, "f"))
    c_t = f_t * s["c"] + (1 - f_t) * z_t
    return sigmoid(convolved(p, x, s, "o")) * c_t, {"c": c_t, **kept(p, x, s)}


def step_ifo(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z_t, f_t = np.tanh(convolved(p, x, s, "z")), sigmoid(convolved(p, x, s, "f"))
    c_t = f_t * s["c"] + sigmoid(convolved(p, x, s, "i")) * z_t
    return sigmoid(convolved(p, x, s, "o")) * c_t, {"c": c_t, **kept(p, x, s)}
