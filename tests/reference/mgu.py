"""Minimal gated unit, and its three lighter variants.

    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)         MGU
    f_t = σ(R_f h_{t-1} + b_f)                   MGU1
    f_t = σ(R_f h_{t-1})                         MGU2
    f_t = σ(b_f)                                 MGU3
    n_t = tanh(W_n x_t + R_n (f_t ⊙ h_{t-1}) + b_n)
    h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ n_t

Parameters: W_n (H, D), R_n (H, H), b_n (H,), and of W_f, R_f, b_f those in f_t. State: h (H,). The output is h_t.
Source: Zhou, Wu, Zhang and Zhou, "Minimal Gated Unit for Recurrent Neural Networks", 2016; Heck and Salem, "Simplified
Minimal Gated Unit Variations for Recurrent Neural Networks", 2017.
Differs: n is the papers' h̃.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def moved(p: Arrays, x: Array, h: Array, f: Array) -> tuple[Array, Arrays]:
    n_t = np.tanh(p["W_n"] @ x + p["R_n"] @ (f * h) + p["b_n"])
    h_t = (1 - f) * h + f * n_t
    return h_t, {"h": h_t}


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return moved(p, x, s["h"], sigmoid(p["W_f"] @ x + p["R_f"] @ s["h"] + p["b_f"]))


def step_1(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return moved(p, x, s["h"], sigmoid(p["R_f"] @ s["h"] + p["b_f"]))


def step_2(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return moved(p, x, s["h"], sigmoid(p["R_f"] @ s["h"]))


def step_3(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return moved(p, x, s["h"], sigmoid(p["b_f"]))
