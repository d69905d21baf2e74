"""IndRNN: each unit reads only its own past.

    h_t = max(0, W x_t + u ⊙ h_{t-1} + b)

Parameters: W (H, D), u (H,), b (H,). State: h (H,). The output is h_t.
Source: Li, Li, Cook, Zhu and Gao, "Independently Recurrent Neural Network (IndRNN)", CVPR 2018.
Differs: nothing.
"""

from reference.arrays import Array, Arrays
from reference.elman import relu


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h_t = relu(p["W"] @ x + p["u"] * s["h"] + p["b"])
    return h_t, {"h": h_t}
