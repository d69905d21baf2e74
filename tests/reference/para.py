"""ParaGRU (`step_gru`) and ParaLSTM (`step_lstm`): diagonal recurrence, block-diagonal input matrices.

    ParaGRU   z_t = σ(a_z ⊙ h_{t-1} + B_z x_t + b_z),  r_t = σ(a_r ⊙ h_{t-1} + B_r x_t + b_r)
              n_t = tanh(a_n ⊙ (h_{t-1} ⊙ r_t) + B_n x_t + b_n)
              h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ n_t

    ParaLSTM  f_t = σ(a_f ⊙ h_{t-1} + B_f x_t + c_f ⊙ c_{t-1} + b_f)
              z_t = tanh(a_z ⊙ h_{t-1} + B_z x_t + b_z)
              c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ z_t
              o_t = σ(a_o ⊙ h_{t-1} + B_o x_t + c_o ⊙ c_t + b_o)
              h_t = o_t ⊙ tanh(c_t)

Parameters: every a, b, c (H,), every B (N, S, E): head n maps inputs nE ... nE+E-1 to units nS ... nS+S-1.
State: h (H,), of ParaLSTM also c (H,). The output is h_t.
Source: Danieli, Rodríguez, Sarabia, Suau and Zappella, "ParaRNN", arXiv 2510.21450, 2025, and the authors' code.
Differs: nothing.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def mapped(B: Array, x: Array) -> Array:
    """The block-diagonal matrix times x."""
    return np.concatenate([block @ part for block, part in zip(B, np.split(x, len(B)), strict=True)])


def step_gru(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h = s["h"]
    z_t = sigmoid(p["a_z"] * h + mapped(p["B_z"], x) + p["b_z"])
    r_t = sigmoid(p["a_r"] * h + mapped(p["B_r"], x) + p["b_r"])
    n_t = np.tanh(p["a_n"] * (h * r_t) + mapped(p["B_n"], x) + p["b_n"])
    h_t = (1 - z_t) * h + z_t * n_t
    return h_t, {"h": h_t}


def step_lstm(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h, c = s["h"], s["c"]
    f_t = sigmoid(p["a_f"] * h + mapped(p["B_f"], x) + p["c_f"] * c + p["b_f"])
    z_t = np.tanh(p["a_z"] * h + mapped(p["B_z"], x) + p["b_z"])
    c_t = f_t * c + (1 - f_t) * z_t
    o_t = sigmoid(p["a_o"] * h + mapped(p["B_o"], x) + p["c_o"] * c_t + p["b_o"])
    h_t = o_t * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}
