"""Simple recurrent unit: first version (`step_v1`), second version (`step`), each also with a projected highway.

    u_t = W x_t
    f_t = σ(W_f x_t + v_f ⊙ c_{t-1} + b_f)
    r_t = σ(W_r x_t + v_r ⊙ c_{t-1} + b_r)
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ u_t
    h_t = r_t ⊙ g(c_t) + (1 - r_t) ⊙ α x_t

First version: v_f = v_r = 0, g = tanh, α = 1. Second version: g(c) = c. Projected: W_x x_t in place of α x_t.
Parameters: every W (H, D), every v and b (H,), α one number. State: c (H,). The output is h_t. Unprojected, D = H.
Source: Lei, Zhang, Wang, Dai and Artzi, "Simple Recurrent Units for Highly Parallelizable Recurrence", EMNLP 2018;
first version Lei and Zhang, "Training RNNs as Fast as CNNs", arXiv 1709.02755v1, 2017.
Differs: nothing.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def cell_v1(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Array]:
    """c_t and r_t of the first version."""
    f_t = sigmoid(p["W_f"] @ x + p["b_f"])
    r_t = sigmoid(p["W_r"] @ x + p["b_r"])
    return f_t * s["c"] + (1 - f_t) * (p["W"] @ x), r_t


def cell(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Array]:
    """c_t and r_t of the second version; both gates read the state before the step."""
    f_t = sigmoid(p["W_f"] @ x + p["v_f"] * s["c"] + p["b_f"])
    r_t = sigmoid(p["W_r"] @ x + p["v_r"] * s["c"] + p["b_r"])
    return f_t * s["c"] + (1 - f_t) * (p["W"] @ x), r_t


def step_v1(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t, r_t = cell_v1(p, x, s)
    return r_t * np.tanh(c_t) + (1 - r_t) * x, {"c": c_t}


def step_v1_projected(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t, r_t = cell_v1(p, x, s)
    return r_t * np.tanh(c_t) + (1 - r_t) * (p["W_x"] @ x), {"c": c_t}


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t, r_t = cell(p, x, s)
    return r_t * c_t + (1 - r_t) * p["alpha"] * x, {"c": c_t}


def step_projected(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t, r_t = cell(p, x, s)
    return r_t * c_t + (1 - r_t) * (p["W_x"] @ x), {"c": c_t}
