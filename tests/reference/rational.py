"""Rational recurrences: the automata B (also over the max-plus semiring), C and F, each with an output gate.

    f_t = σ(W_f x_t + b_f),  u_t = (1 - f_t) ⊙ W_u x_t,  o_t = σ(W_o x_t + b_o)          f1, u1 and f2, u2 likewise

    B              c_t = f_t ⊙ c_{t-1} + u_t
    B, max-plus    c_t = max(c_{t-1} + log f_t, W_u x_t)
    C              c1_t = f1_t ⊙ c1_{t-1} + u1_t
                   c2_t = f2_t ⊙ c2_{t-1} + c1_{t-1} ⊙ u2_t,   c_t = c2_t
    F              c1_t = f1_t ⊙ c1_{t-1} + u1_t
                   c2_t = f2_t ⊙ c2_{t-1} + (c1_{t-1} + σ(ε)) ⊙ u2_t
                   c_t = σ(ρ1) ⊙ c1_t + σ(ρ2) ⊙ c2_t
    h_t = tanh(o_t ⊙ c_t)

Parameters: every W (H, D), every b, ε, ρ1, ρ2 (H,). State: c (H,), or c1 and c2 (H,). The output is h_t.
Source: Peng, Schwartz, Thomson and Smith, "Rational Recurrences", EMNLP 2018, and the authors' code.
Differs: the max-plus state is c + 100, so that a state of zeros is that code's zero of the semiring, -100.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid

ZERO = -100


def gate(p: Arrays, x: Array, a: str) -> Array:
    return sigmoid(p[f"W_{a}"] @ x + p[f"b_{a}"])


def read(p: Arrays, x: Array, c_t: Array) -> Array:
    return np.tanh(gate(p, x, "o") * c_t)


def step_b(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    f_t = gate(p, x, "f")
    c_t = f_t * s["c"] + (1 - f_t) * (p["W_u"] @ x)
    return read(p, x, c_t), {"c": c_t}


def step_b_max_plus(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    stay, start = s["c"] + ZERO + np.log(gate(p, x, "f")), p["W_u"] @ x
    c_t = np.where(np.real(stay) >= np.real(start), stay, start)
    return read(p, x, c_t), {"c": c_t - ZERO}


def two_states(p: Arrays, x: Array, s: Arrays, entry: Array) -> tuple[Array, Array]:
    """c1_t and c2_t, the second entered with this weight."""
    f1_t, f2_t = gate(p, x, "f1"), gate(p, x, "f2")
    c1_t = f1_t * s["c1"] + (1 - f1_t) * (p["W_u1"] @ x)
    c2_t = f2_t * s["c2"] + entry * (1 - f2_t) * (p["W_u2"] @ x)
    return c1_t, c2_t


def step_c(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c1_t, c2_t = two_states(p, x, s, s["c1"])
    return read(p, x, c2_t), {"c1": c1_t, "c2": c2_t}


def step_f(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c1_t, c2_t = two_states(p, x, s, s["c1"] + sigmoid(p["epsilon"]))
    c_t = sigmoid(p["rho1"]) * c1_t + sigmoid(p["rho2"]) * c2_t
    return read(p, x, c_t), {"c1": c1_t, "c2": c2_t}
