"""Closed-form continuous-time networks: default, without a gate, and minimal; time passes by Δt = exp(log_dt) at each step.

    b_t = λ(W_x x_t + W_h h_{t-1} + b)                        backbone, λ(z) = 1.7159 tanh(0.666 z)
    b_t = λ(V[l] b_t + d[l])                                  for each further layer l of it

    cfc:          f1 = tanh(F_1 b_t + b_1), f2 = tanh(F_2 b_t + b_2), s = σ((T_a b_t + b_a) Δt + T_b b_t + b_b)
                  h_t = f1 ⊙ (1 - s) + s ⊙ f2
    cfc_no_gate:  h_t = f1 + s ⊙ f2
    cfc_minimal:  f = F_1 b_t + b_1
                  h_t = A - A ⊙ exp(-Δt (|w_τ| + |f|)) ⊙ f

Parameters: log_dt (), fixed; W_x (U, D), W_h (U, H), b (U,); V (I, U, U), d (I, U); F_1 (H, U), b_1 (H,); for the first
two also F_2, T_a, T_b (H, U), b_2, b_a, b_b (H,); for the minimal one w_tau, A (H,). State: h (H,). The output is h_t.
Source: Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl and Rus, "Closed-form continuous-time neural
networks", Nature Machine Intelligence 4, 2022, arXiv 2106.13898, and the authors' code.
Differs: steps of equal length.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def absolute(z: Array) -> Array:
    return np.where(np.real(z) < 0, -z, z)


def lecun_tanh(z: Array) -> Array:
    return 1.7159 * np.tanh(0.666 * z)


def backbone(p: Arrays, x: Array, s: Arrays) -> Array:
    b = lecun_tanh(p["W_x"] @ x + p["W_h"] @ s["h"] + p["b"])
    for weights, biases in zip(p["V"], p["d"], strict=True):
        b = lecun_tanh(weights @ b + biases)
    return b


def heads(p: Arrays, b: Array) -> tuple[Array, Array, Array]:
    f1 = np.tanh(p["F_1"] @ b + p["b_1"])
    f2 = np.tanh(p["F_2"] @ b + p["b_2"])
    time = (p["T_a"] @ b + p["b_a"]) * np.exp(p["log_dt"]) + p["T_b"] @ b + p["b_b"]
    return f1, f2, sigmoid(time)


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    f1, f2, gate = heads(p, backbone(p, x, s))
    h_t = f1 * (1 - gate) + gate * f2
    return h_t, {"h": h_t}


def step_no_gate(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    f1, f2, gate = heads(p, backbone(p, x, s))
    h_t = f1 + gate * f2
    return h_t, {"h": h_t}


def step_minimal(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    f = p["F_1"] @ backbone(p, x, s) + p["b_1"]
    h_t = p["A"] - p["A"] * np.exp(-np.exp(p["log_dt"]) * (absolute(p["w_tau"]) + absolute(f))) * f
    return h_t, {"h": h_t}
