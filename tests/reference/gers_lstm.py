"""Memory-cell blocks with forget gates, as first published.

N blocks of S cells, H = N S. A block's cells share an input, a forget and an output gate. With y_{t-1} the cell outputs,
block by block, for block j and its cell v:

    i_t[j]  = σ(W_i[j] x_t + R_i[j] y_{t-1} + b_i[j])
    f_t[j]  = σ(W_f[j] x_t + R_f[j] y_{t-1} + b_f[j])
    o_t[j]  = σ(W_o[j] x_t + R_o[j] y_{t-1} + b_o[j])
    g_t[jv] = g(W_g[jv] x_t + R_g[jv] y_{t-1})
    s_t[jv] = f_t[j] s_{t-1}[jv] + i_t[j] g_t[jv]
    y_t[jv] = o_t[j] h(s_t[jv])

    g(z) = 4 σ(z) - 2            h(z) = 2 σ(z) - 1

Parameters, for each a of i, f, o: W_a (N, D), R_a (N, H), b_a (N,); W_g (N, S, D), R_g (N, S, H). State: s (N, S), y (N, S).
The output is y_t as (H,).
Source: Gers, Schmidhuber and Cummins, "Learning to Forget: Continual Prediction with LSTM", Neural Computation 12(10), 2000.
Differs: output units are not part of the cell.
"""

from reference.arrays import Array, Arrays, sigmoid
from reference.lstm_1997 import g, h


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    y_tm1 = s["y"].reshape(-1)
    i_t, f_t, o_t = (sigmoid(p[f"W_{a}"] @ x + p[f"R_{a}"] @ y_tm1 + p[f"b_{a}"]) for a in "ifo")
    g_t = g(p["W_g"] @ x + p["R_g"] @ y_tm1)
    s_t = f_t[:, None] * s["s"] + i_t[:, None] * g_t
    y_t = o_t[:, None] * h(s_t)
    return y_t.reshape(-1), {"s": s_t, "y": y_t}
