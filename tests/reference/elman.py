"""Elman's simple recurrent network, with tanh (`step`) or with the rectifier (`step_relu`).

    h_t = φ(W x_t + R h_{t-1} + b)          φ = tanh, or max(0, ·)
    y_t = h_t

Parameters: W (H, D), R (H, H), b (H,). State: h (H,).
Source: Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990. The rectifier: Le, Jaitly and Hinton, "A
Simple Way to Initialize Recurrent Networks of Rectified Linear Units", arXiv 1504.00941, 2015.
Differs: Elman's units are logistic; the read-out is not part of the cell.
"""

import numpy as np
from reference.arrays import Array, Arrays


def relu(z: Array) -> Array:
    """z where Re z > 0, else 0: analytic on either side, and its slope at 0 is taken as 0."""
    return np.where(np.real(z) > 0, z, 0)


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h_t = np.tanh(p["W"] @ x + p["R"] @ s["h"] + p["b"])
    return h_t, {"h": h_t}


def step_relu(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h_t = relu(p["W"] @ x + p["R"] @ s["h"] + p["b"])
    return h_t, {"h": h_t}
