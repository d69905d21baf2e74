"""MUT1, MUT2 and MUT3, the three best cells of an evolutionary search near the GRU.

    MUT1   z = σ(W_z x_t + b_z)                       r = σ(W_r x_t + R_r h_{t-1} + b_r)
           n = tanh(R_n (r ⊙ h_{t-1}) + tanh(x_t) + b_n)
    MUT2   z = σ(W_z x_t + R_z h_{t-1} + b_z)         r = σ(x_t + R_r h_{t-1} + b_r)
           n = tanh(R_n (r ⊙ h_{t-1}) + W_n x_t + b_n)
    MUT3   z = σ(W_z x_t + R_z tanh(h_{t-1}) + b_z)   r = σ(W_r x_t + R_r h_{t-1} + b_r)
           n = tanh(R_n (r ⊙ h_{t-1}) + W_n x_t + b_n)

    h_t = n ⊙ z + h_{t-1} ⊙ (1 - z)                   of all three

Parameters, those that the equations name: W_a (H, D), R_a (H, H), b_a (H,). MUT1 and MUT2 add x_t to H units: D = H. State:
h (H,). The output is h_t.
Source: Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015.
Differs: n is the paper's unnamed candidate; h_t is the paper's h_{t+1}.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def moved(h: Array, z: Array, n: Array) -> tuple[Array, Arrays]:
    h_t = n * z + h * (1 - z)
    return h_t, {"h": h_t}


def step_mut1(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z = sigmoid(p["W_z"] @ x + p["b_z"])
    r = sigmoid(p["W_r"] @ x + p["R_r"] @ s["h"] + p["b_r"])
    return moved(s["h"], z, np.tanh(p["R_n"] @ (r * s["h"]) + np.tanh(x) + p["b_n"]))


def step_mut2(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z = sigmoid(p["W_z"] @ x + p["R_z"] @ s["h"] + p["b_z"])
    r = sigmoid(x + p["R_r"] @ s["h"] + p["b_r"])
    return moved(s["h"], z, np.tanh(p["R_n"] @ (r * s["h"]) + p["W_n"] @ x + p["b_n"]))


def step_mut3(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z = sigmoid(p["W_z"] @ x + p["R_z"] @ np.tanh(s["h"]) + p["b_z"])
    r = sigmoid(p["W_r"] @ x + p["R_r"] @ s["h"] + p["b_r"])
    return moved(s["h"], z, np.tanh(p["R_n"] @ (r * s["h"]) + p["W_n"] @ x + p["b_n"]))
