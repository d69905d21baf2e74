"""Contextual LSTM: a peephole LSTM whose gates and cell input also read a topic vector T.

    i_t = σ(W_xi x_t + W_hi h_{t-1} + w_ci ⊙ c_{t-1} + b_i + W_Ti T)
    f_t = σ(W_xf x_t + W_hf h_{t-1} + w_cf ⊙ c_{t-1} + b_f + W_Tf T)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ tanh(W_xc x_t + W_hc h_{t-1} + b_c + W_Tc T)
    o_t = σ(W_xo x_t + W_ho h_{t-1} + w_co ⊙ c_t + b_o + W_To T)
    h_t = o_t ⊙ tanh(c_t)

Parameters, for each a of i, f, c, o: W_xa (H, X), W_ha (H, H), W_Ta (H, G), b_a (H,); w_ci, w_cf, w_co (H,). State:
h (H,), c (H,). The input is word and topic, one after the other: the first X elements are x_t, the last G are T. The
output is h_t.
Source: Ghosh, Vinyals, Strope, Roy, Dean and Heck, "Contextual LSTM (CLSTM) models for Large scale NLP tasks",
arXiv 1602.06291, 2016.
Differs: the topic arrives with every word.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    words = p["W_xi"].shape[1]
    word, topic = x[:words], x[words:]

    def reads(gate: str) -> Array:
        return p[f"W_x{gate}"] @ word + p[f"W_h{gate}"] @ s["h"] + p[f"b_{gate}"] + p[f"W_T{gate}"] @ topic

    i_t = sigmoid(reads("i") + p["w_ci"] * s["c"])
    f_t = sigmoid(reads("f") + p["w_cf"] * s["c"])
    c_t = f_t * s["c"] + i_t * np.tanh(reads("c"))
    o_t = sigmoid(reads("o") + p["w_co"] * c_t)
    h_t = o_t * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}
