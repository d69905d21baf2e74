"""Layer normalisation within an LSTM and within a GRU.

    LN(z; α, β) = α ⊙ (z - mean z) / √(var z + 10⁻⁵) + β         over all elements of z; var divides by their number

LSTM:
    [i; f; g; o] = LN(R h_{t-1}; α_1, β_1) + LN(W x_t; α_2, β_2) + b         one LN each over the 4 H rows
    c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g)
    h_t = σ(o) ⊙ tanh(LN(c_t; α_3, β_3))

GRU:
    [z; r] = LN([R_z; R_r] h_{t-1}; α_1, β_1) + LN([W_z; W_r] x_t; α_2, β_2)
    n = tanh(LN(W_n x_t; α_3, β_3) + σ(r) ⊙ LN(R_n h_{t-1}; α_4, β_4))
    h_t = (1 - σ(z)) ⊙ h_{t-1} + σ(z) ⊙ n

Parameters, for each a of i, f, g, o or z, r, n: W_a (H, D), R_a (H, H); b_a (H,) in the LSTM; alpha_k_a and beta_k_a (H,), the
part of α_k and β_k on the rows of a, for k = 1, 2; alpha_3, beta_3 and in the GRU alpha_4, beta_4 (H,). State: h (H,), and in
the LSTM c (H,). The output is h_t.
Source: Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450, 2016, supplementary material.
Differs: 10⁻⁵ in the root, as in the authors' code.
"""

from collections.abc import Sequence

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def layer_norm(z: Array, alpha: Array, beta: Array) -> Array:
    centred = z - z.mean()
    return alpha * centred / np.sqrt((centred * centred).mean() + 1e-5) + beta


def stacked(p: Arrays, names: Sequence[str]) -> Array:
    return np.concatenate([p[name] for name in names])


def norm_of_rows(p: Arrays, kind: str, k: int, rows: str, vector: Array) -> Array:
    """LN([kind_a; kind_b; …] vector; α_k, β_k) for the letters of `rows`."""
    z = stacked(p, [f"{kind}_{a}" for a in rows]) @ vector
    return layer_norm(z, stacked(p, [f"alpha_{k}_{a}" for a in rows]), stacked(p, [f"beta_{k}_{a}" for a in rows]))


def step_lstm(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    nets = norm_of_rows(p, "R", 1, "ifgo", s["h"]) + norm_of_rows(p, "W", 2, "ifgo", x)
    i, f, g, o = np.split(nets + stacked(p, ["b_i", "b_f", "b_g", "b_o"]), 4)
    c_t = sigmoid(f) * s["c"] + sigmoid(i) * np.tanh(g)
    h_t = sigmoid(o) * np.tanh(layer_norm(c_t, p["alpha_3"], p["beta_3"]))
    return h_t, {"h": h_t, "c": c_t}


def step_gru(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    z, r = np.split(norm_of_rows(p, "R", 1, "zr", s["h"]) + norm_of_rows(p, "W", 2, "zr", x), 2)
    from_input = layer_norm(p["W_n"] @ x, p["alpha_3"], p["beta_3"])
    n = np.tanh(from_input + sigmoid(r) * layer_norm(p["R_n"] @ s["h"], p["alpha_4"], p["beta_4"]))
    h_t = (1 - sigmoid(z)) * s["h"] + sigmoid(z) * n
    return h_t, {"h": h_t}
