"""Recurrent highway network: L highway layers within each time step, with a coupled carry gate or with its own.

    s_t^0 = s_{t-1}^L
    h^l   = tanh(W_h x_t [l = 1] + R_h^l s^{l-1} + b_h^l)
    t^l   = σ(W_t x_t [l = 1] + R_t^l s^{l-1} + b_t^l)
    c^l   = 1 - t^l                                              `step`
    c^l   = σ(W_c x_t [l = 1] + R_c^l s^{l-1} + b_c^l)           `step_uncoupled`
    s^l   = h^l ⊙ t^l + s^{l-1} ⊙ c^l                            for l = 1 ... L
    y_t   = s_t^L

Parameters, for each a of h and t (and c): W_a (H, D), R_a (L, H, H), b_a (L, H). State: s (H,), the last s^L.
Source: Zilly, Srivastava, Koutník and Schmidhuber, "Recurrent Highway Networks", ICML 2017, equations 6-9.
Differs: nothing.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def highway(p: Arrays, gate: str, layer: int, x: Array, s: Array) -> Array:
    """What a gate or the candidate of a highway layer adds up; only the first layer, index 0, sees the input."""
    read = p[f"W_{gate}"] @ x if layer == 0 else 0
    return read + p[f"R_{gate}"][layer] @ s + p[f"b_{gate}"][layer]


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    s_l = s["s"]
    for layer in range(p["b_h"].shape[0]):
        h_l = np.tanh(highway(p, "h", layer, x, s_l))
        t_l = sigmoid(highway(p, "t", layer, x, s_l))
        s_l = h_l * t_l + s_l * (1 - t_l)
    return s_l, {"s": s_l}


def step_uncoupled(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    s_l = s["s"]
    for layer in range(p["b_h"].shape[0]):
        h_l = np.tanh(highway(p, "h", layer, x, s_l))
        t_l = sigmoid(highway(p, "t", layer, x, s_l))
        c_l = sigmoid(highway(p, "c", layer, x, s_l))
        s_l = h_l * t_l + s_l * c_l
    return s_l, {"s": s_l}
