"""Legendre memory unit: a linear memory of one number's recent past beside a nonlinear hidden state.

    u_t = e_x · x_t + e_h · h_{t-1} + e_m · m_{t-1}          one number
    m_t = Ā m_{t-1} + B̄ u_t
    h_t = tanh(W_x x_t + W_h h_{t-1} + W_m m_t)

Parameters: e_x (D,), e_h (H,), e_m (M,); A = Ā (M, M) and B = B̄ (M,), fixed; W_x (H, D), W_h (H, H), W_m (H, M).
State: h (H,), m (M,). The output is h_t. `memory` gives Ā and B̄ for a window of θ steps.
Source: Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time Representation in Recurrent Neural
Networks", NeurIPS 2019.
Differs: nothing.
"""

import numpy as np
from reference.arrays import Array, Arrays


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    u_t = p["e_x"] @ x + p["e_h"] @ s["h"] + p["e_m"] @ s["m"]
    m_t = p["A"] @ s["m"] + p["B"] * u_t
    h_t = np.tanh(p["W_x"] @ x + p["W_h"] @ s["h"] + p["W_m"] @ m_t)
    return h_t, {"h": h_t, "m": m_t}


def memory(order: int, window: float) -> tuple[Array, Array]:
    """Ā and B̄ of θ m' = A m + B u, held constant over steps of 1, by eigenvalues: Ā = exp(A/θ), B̄ = A⁻¹ (Ā - 1) B."""
    a, b = np.zeros((order, order)), np.zeros(order)
    for i in range(order):
        b[i] = (2 * i + 1) * (-1) ** i
        for j in range(order):
            a[i, j] = (2 * i + 1) * (-1 if i < j else (-1) ** (i - j + 1))
    values, vectors = np.linalg.eig(a)
    held = (vectors @ np.diag(np.exp(values / window)) @ np.linalg.inv(vectors)).real
    return held, np.linalg.solve(a, (held - np.eye(order)) @ b)
