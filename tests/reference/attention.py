"""Attention for one query and one source, in NumPy, as the papers write it.

dot        e_j = s · h_j                                  Luong, Pham and Manning 2015, equation 8
general    e_j = sᵀ W_a h_j
concat     e_j = v_aᵀ tanh(W_a [s; h_j])
additive   e_ij = v_aᵀ tanh(W_a s_{i-1} + U_a h_j)        Bahdanau, Cho and Bengio 2015, appendix A.1.2
pointer    u_j = vᵀ tanh(W_1 e_j + W_2 d_i)               Vinyals, Fortunato and Jaitly 2015, equation 3
weights    α_j = exp(e_j) / Σ_k exp(e_k)
context    c = Σ_j α_j h_j
local-p    p = S sigmoid(v_pᵀ tanh(W_p s)); α_j exp(-(j - p)² / (2 σ²)), σ = D / 2, j in [p - D, p + D]
"""

import numpy as np
from reference.arrays import Array, sigmoid


def dot(s: Array, h: Array) -> Array:
    return np.array([s @ h_j for h_j in h])


def general(W_a: Array, s: Array, h: Array) -> Array:
    return np.array([s @ W_a @ h_j for h_j in h])


def concat(v_a: Array, W_a: Array, s: Array, h: Array) -> Array:
    return np.array([v_a @ np.tanh(W_a @ np.concatenate([s, h_j])) for h_j in h])


def additive(v_a: Array, W_a: Array, U_a: Array, s: Array, h: Array) -> Array:
    return np.array([v_a @ np.tanh(W_a @ s + U_a @ h_j) for h_j in h])


def pointer(v: Array, W_1: Array, W_2: Array, d: Array, e: Array) -> Array:
    return np.array([v @ np.tanh(W_1 @ e_j + W_2 @ d) for e_j in e])


def weights(e: Array) -> Array:
    return np.exp(e) / np.exp(e).sum()


def context(alpha: Array, h: Array) -> Array:
    return np.array(sum(alpha_j * h_j for alpha_j, h_j in zip(alpha, h, strict=True)))


def local_p(v_p: Array, W_p: Array, s: Array, alpha: Array, D: int) -> Array:
    p, sigma = len(alpha) * sigmoid(v_p @ np.tanh(W_p @ s)), D / 2
    near = [np.exp(-((j - p) ** 2) / (2 * sigma**2)) if abs(j - p) <= D else 0 for j in range(len(alpha))]
    return alpha * np.array(near)
