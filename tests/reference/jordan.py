"""Jordan's network: the output, not the hidden layer, is fed back, through state units that decay.

    s_t = μ s_{t-1} + y_{t-1}
    h_t = tanh(W x_t + U s_t + b)
    y_t = tanh(V h_t + d)

Parameters: W (H, D), U (H, O), b (H,), V (O, H), d (O,), mu (). State: s (O,), y (O,).
Source: Jordan, "Serial Order: A Parallel Distributed Processing Approach", UCSD ICS report 8604, 1986.
Differs: tanh for Jordan's logistic units.
"""

import numpy as np
from reference.arrays import Array, Arrays


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    s_t = p["mu"] * s["s"] + s["y"]
    h_t = np.tanh(p["W"] @ x + p["U"] @ s_t + p["b"])
    y_t = np.tanh(p["V"] @ h_t + p["d"])
    return y_t, {"s": s_t, "y": y_t}
