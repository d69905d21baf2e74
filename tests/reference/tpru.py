"""TPRU: the hidden state is unbound into weights of R roles, which are bound together again.

    B   = V W_r^T + 1 b_r^T                                   binding roles, one a row
    U   = V W_u^T + 1 b_u^T                                   unbinding roles, one a row
    a^x = relu(U (W_fx x_t + b_fx) + β_x)
    a^h = relu(U (W_fh h_{t-1} + b_fh) + β_h)
    q   = (a^x + a^h)^2, element by element
    φ_t = q / max(Σ q, 1e-7)
    h~  = B^T φ_t
    g_t = σ(W_gx x_t + b_gx + W_gh h_{t-1} + b_gh)
    h_t = g_t ⊙ h~ + (1 - g_t) ⊙ h_{t-1}

Parameters: V (R, H), fixed; W_r, W_u, W_fh, W_gh (H, H); W_fx, W_gx (H, D); b_r, b_u, b_fx, b_fh, b_gx, b_gh (H,);
beta_x, beta_h (). State: h (H,). The output is h_t.
Source: Tang, Smolensky and de Sa, arXiv 1810.12456, 2018, and the authors' code (2019).
Differs: nothing from that code, but its padding mask.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def relu(z: Array) -> Array:
    return np.where(np.real(z) > 0, z, 0)


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    binding = p["V"] @ p["W_r"].T + p["b_r"]
    unbinding = p["V"] @ p["W_u"].T + p["b_u"]
    from_x = relu(unbinding @ (p["W_fx"] @ x + p["b_fx"]) + p["beta_x"])
    from_h = relu(unbinding @ (p["W_fh"] @ s["h"] + p["b_fh"]) + p["beta_h"])
    q = (from_x + from_h) ** 2
    total = np.sum(q)
    weights = q / (total if np.real(total) > 1e-7 else 1e-7)
    g_t = sigmoid(p["W_gx"] @ x + p["b_gx"] + p["W_gh"] @ s["h"] + p["b_gh"])
    h_t = g_t * (binding.T @ weights) + (1 - g_t) * s["h"]
    return h_t, {"h": h_t}
