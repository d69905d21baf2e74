"""Liquid time-constant network: a membrane equation solved by six semi-implicit Euler steps at each input.

    u = w_in ⊙ x_t + b_in
    and six times, for each unit i, from v = v_{t-1}:
        conductance of the synapse from unit j:   a_ij = w_ij σ(γ_ij (v_j - μ_ij))
        conductance of the synapse from input j:  r_ij = w^s_ij σ(γ^s_ij (u_j - μ^s_ij))
        v_i <- (c_i v_i + g_i v^l_i + Σ_j a_ij E_ij + Σ_j r_ij E^s_ij) / (c_i + g_i + Σ_j a_ij + Σ_j r_ij)
    with w, w^s, g and c each the softplus log(1 + e^z) of its parameter z; c is capacitance over the length of an Euler step.

Parameters: mu, gamma, w, E (H, H), row i, column j; mu_s, gamma_s, w_s, E_s (H, D); g, v_l, c (H,); w_in, b_in (D,).
State: v (H,). The output is v_t.
Source: Hasani, Lechner, Amini, Rus and Grosu, "Liquid Time-constant Networks", arXiv 2006.04439, 2020 (AAAI 2021), and
the authors' code.
Differs: softplus where the code clips at zero after each update; no 1e-8 in the denominator.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def softplus(z: Array) -> Array:
    return np.log(1 + np.exp(z))


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    u = p["w_in"] * x + p["b_in"]
    sensory = softplus(p["w_s"]) * sigmoid(p["gamma_s"] * (u - p["mu_s"]))
    c, g = softplus(p["c"]), softplus(p["g"])
    v = s["v"]
    for _ in range(6):
        synaptic = softplus(p["w"]) * sigmoid(p["gamma"] * (v - p["mu"]))
        driven = np.sum(synaptic * p["E"], axis=1) + np.sum(sensory * p["E_s"], axis=1)
        v = (c * v + g * p["v_l"] + driven) / (c + g + np.sum(synaptic, axis=1) + np.sum(sensory, axis=1))
    return v, {"v": v}
