"""Structurally constrained recurrent network: slow context units beside an Elman network.

    s_t = (1 - α) B x_t + α ⊙ s_{t-1}
    h_t = σ(P s_t + A x_t + R h_{t-1})

The authors' code reads s_{t-1} in place of s_t in h_t. With a learned decay, α = σ(β), one number a context unit.
Parameters: A (H, D), B (P, D), P (H, P), R (H, H), and alpha () or beta (P,). State: s (P,), h (H,). The output is [h_t; s_t].
Source: Mikolov, Joulin, Chopra, Mathieu and Ranzato, "Learning Longer Memory in Recurrent Neural Networks", 2014.
Differs: h and s are put out together, for the softmax that reads both.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def context(p: Arrays, alpha: Array, x: Array, s: Arrays) -> Array:
    return (1 - alpha) * (p["B"] @ x) + alpha * s["s"]


def read(p: Arrays, context_read: Array, context_t: Array, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h_t = sigmoid(p["P"] @ context_read + p["A"] @ x + p["R"] @ s["h"])
    return np.concatenate([h_t, context_t]), {"s": context_t, "h": h_t}


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    s_t = context(p, p["alpha"], x, s)
    return read(p, s_t, s_t, x, s)


def step_previous_context(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    return read(p, s["s"], context(p, p["alpha"], x, s), x, s)


def step_learned_decay(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    s_t = context(p, sigmoid(p["beta"]), x, s)
    return read(p, s_t, s_t, x, s)
