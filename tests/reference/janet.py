"""JANET, an LSTM with nothing but its forget gate.

    s_t = W_f x_t + R_f h_{t-1} + b_f
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    h_t = σ(s_t) ⊙ h_{t-1} + (1 - σ(s_t - β)) ⊙ g_t

Parameters, for a of f and g: W_a (H, D), R_a (H, H), b_a (H,); beta (), 1 in the paper. State: h (H,). The output is h_t.
Source: van der Westhuizen and Lasenby, "The unreasonable effectiveness of the forget gate", arXiv:1804.04849, 2018.
Differs: g is the paper's c̃, and h its c.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    s_t = p["W_f"] @ x + p["R_f"] @ s["h"] + p["b_f"]
    g_t = np.tanh(p["W_g"] @ x + p["R_g"] @ s["h"] + p["b_g"])
    h_t = sigmoid(s_t) * s["h"] + (1 - sigmoid(s_t - p["beta"])) * g_t
    return h_t, {"h": h_t}
