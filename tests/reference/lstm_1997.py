"""The LSTM of 1997: memory-cell blocks, no forget gate, and gates that feed back.

N blocks of S cells, H = N S. A block's cells share one input gate and one output gate. Every hidden unit, cell or gate,
reads the inputs and the previous activations of all hidden units: cell outputs y, input gates i, output gates o.
For block j and its cell v, with y_{t-1} flattened block by block:

    i_t[j]   = σ(W_i[j] x_t + R_i[j] y_{t-1} + Q_ii[j] i_{t-1} + Q_io[j] o_{t-1} + b_i[j])
    o_t[j]   = σ(W_o[j] x_t + R_o[j] y_{t-1} + Q_oi[j] i_{t-1} + Q_oo[j] o_{t-1} + b_o[j])
    g_t[jv]  = g(W_g[jv] x_t + R_g[jv] y_{t-1} + Q_gi[jv] i_{t-1} + Q_go[jv] o_{t-1} + b_g[jv])
    s_t[jv]  = s_{t-1}[jv] + i_t[j] g_t[jv]
    y_t[jv]  = o_t[j] h(s_t[jv])

    g(z) = 4 σ(z) - 2, in [-2, 2]            h(z) = 2 σ(z) - 1, in [-1, 1]

Parameters: W_g (N, S, D), R_g (N, S, H), Q_gi and Q_go (N, S, N), b_g (N, S); for each gate a of i and o: W_a (N, D),
R_a (N, H), Q_ai and Q_ao (N, N), b_a (N,). State: s (N, S), y (N, S), i (N,), o (N,). The output is y_t as (H,).
Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, section 4 and appendix A.1.
Differs: nothing, but x_t is the input that step t sees, which the paper's formulas index t-1; output units are not part
of the cell.
"""

from reference.arrays import Array, Arrays, sigmoid


def g(z: Array) -> Array:
    return 4 * sigmoid(z) - 2


def h(z: Array) -> Array:
    return 2 * sigmoid(z) - 1


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    y_tm1, i_tm1, o_tm1 = s["y"].reshape(-1), s["i"], s["o"]
    i_t = sigmoid(p["W_i"] @ x + p["R_i"] @ y_tm1 + p["Q_ii"] @ i_tm1 + p["Q_io"] @ o_tm1 + p["b_i"])
    o_t = sigmoid(p["W_o"] @ x + p["R_o"] @ y_tm1 + p["Q_oi"] @ i_tm1 + p["Q_oo"] @ o_tm1 + p["b_o"])
    g_t = g(p["W_g"] @ x + p["R_g"] @ y_tm1 + p["Q_gi"] @ i_tm1 + p["Q_go"] @ o_tm1 + p["b_g"])
    s_t = s["s"] + i_t[:, None] * g_t
    y_t = o_t[:, None] * h(s_t)
    return y_t.reshape(-1), {"s": s_t, "y": y_t, "i": i_t, "o": o_t}
