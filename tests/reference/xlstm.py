"""The two cells of xLSTM: sLSTM (scalar memories, heads that mix) and mLSTM (a matrix memory a head, no recurrent weights).

sLSTM, with each head n reading its own part of h_{t-1} (R_a block-diagonal, H = N S):

    z_t = tanh(W_z x_t + R_z h_{t-1} + b_z)
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)
    ĩ_t = W_i x_t + R_i h_{t-1} + b_i            f̃_t = W_f x_t + R_f h_{t-1} + b_f
    m_t = max(log σ(f̃_t) + m_{t-1}, ĩ_t)
    i_t = exp(ĩ_t - m_t)                          f_t = exp(log σ(f̃_t) + m_{t-1} - m_t)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ z_t
    n_t = f_t ⊙ n_{t-1} + i_t
    h_t = o_t ⊙ c_t / n_t

Parameters, for each a of z, i, f, o: W_a (H, D), R_a (N, S, S), b_a (H,). State: h, c, n, m (H,).

mLSTM, for each head:

    q_t = W_q x_t + b_q        k_t = (W_k x_t + b_k) / √S        v_t = W_v x_t + b_v
    ĩ_t = w_i · x_t + b_i      f̃_t = w_f · x_t + b_f             one number each; m_t, i_t, f_t as above
    C_t = f_t C_{t-1} + i_t v_t k_t^T
    n_t = f_t n_{t-1} + i_t k_t
    h_t = o_t ⊙ C_t q_t / max(|n_t · q_t|, exp(-m_t)),  o_t = σ(W_o x_t + b_o)

Parameters: W_q, W_k, W_v (N, S, D), b_q, b_k, b_v (N, S); w_i, w_f (N, D), b_i, b_f (N,); W_o (H, D), b_o (H,). State:
C (N, S, S), n (N, S), m (N,). In both, the output is h_t, head after head.
Source: Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter and Hochreiter, "xLSTM: Extended Long
Short-Term Memory", arXiv 2405.04517, 2024, section 2 and appendix A.
Differs: nothing; of the two forget gates that the paper allows for the sLSTM, the logistic one.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def log_sigmoid(z: Array) -> Array:
    return -np.log(1 + np.exp(-z))


def larger(a: Array, b: Array) -> Array:
    return np.where(np.real(a) >= np.real(b), a, b)


def step_slstm(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    heads, size, _ = p["R_z"].shape

    def reads(gate: str) -> Array:
        mixed = [p[f"R_{gate}"][n] @ s["h"][n * size : (n + 1) * size] for n in range(heads)]
        return p[f"W_{gate}"] @ x + np.concatenate(mixed) + p[f"b_{gate}"]

    z_t, o_t = np.tanh(reads("z")), sigmoid(reads("o"))
    entering, staying = reads("i"), log_sigmoid(reads("f")) + s["m"]
    m_t = larger(staying, entering)
    i_t, f_t = np.exp(entering - m_t), np.exp(staying - m_t)
    c_t = f_t * s["c"] + i_t * z_t
    n_t = f_t * s["n"] + i_t
    h_t = o_t * c_t / n_t
    return h_t, {"h": h_t, "c": c_t, "n": n_t, "m": m_t}


def step_mlstm_matrix(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    heads, size, _ = p["W_q"].shape
    entering, staying = p["w_i"] @ x + p["b_i"], log_sigmoid(p["w_f"] @ x + p["b_f"]) + s["m"]
    m_t = larger(staying, entering)
    i_t, f_t = np.exp(entering - m_t), np.exp(staying - m_t)
    memories: list[Array] = []
    normalisers: list[Array] = []
    read: list[Array] = []
    for n in range(heads):
        q, v = p["W_q"][n] @ x + p["b_q"][n], p["W_v"][n] @ x + p["b_v"][n]
        k = (p["W_k"][n] @ x + p["b_k"][n]) / np.sqrt(size)
        memories.append(f_t[n] * s["C"][n] + i_t[n] * np.outer(v, k))
        normalisers.append(f_t[n] * s["n"][n] + i_t[n] * k)
        overlap = normalisers[n] @ q
        overlap = -overlap if np.real(overlap) < 0 else overlap
        read.append(memories[n] @ q / larger(overlap, np.exp(-m_t[n])))
    h_t = sigmoid(p["W_o"] @ x + p["b_o"]) * np.concatenate(read)
    return h_t, {"C": np.stack(memories), "n": np.stack(normalisers), "m": m_t}
