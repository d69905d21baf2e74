"""The eight variants of "LSTM: A Search Space Odyssey": the LSTM with peepholes, changed in one thing each.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)
    h_t = o_t ⊙ tanh(c_t)

    nig   i_t = 1                        niaf  g_t without tanh
    nfg   f_t = 1                        noaf  h_t = o_t ⊙ c_t
    nog   o_t = 1                        np    no p
    cifg  f_t = 1 - i_t
    fgr   every gate a of i, f, o also reads Q_ai i_{t-1} + Q_af f_{t-1} + Q_ao o_{t-1}

Parameters, for each a of i, f, g, o that the variant has: W_a (H, D), R_a (H, H), b_a (H,); p_a (H,) for its gates; fgr also
Q_ab (H, H) for gates a and b. State: h (H,), c (H,); fgr also i, f, o (H,), the gates of the step before. The output is h_t.
Source: Greff, Srivastava, Koutník, Steunebrink and Schmidhuber, "LSTM: A Search Space Odyssey", IEEE Transactions on Neural
Networks and Learning Systems 28(10), 2017.
Differs: nothing.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def net(p: Arrays, a: str, x: Array, s: Arrays) -> Array:
    return p[f"W_{a}"] @ x + p[f"R_{a}"] @ s["h"] + p[f"b_{a}"]


def gate(p: Arrays, a: str, x: Array, s: Arrays, c: Array) -> Array:
    return sigmoid(net(p, a, x, s) + p[f"p_{a}"] * c)


def step_nig(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t = gate(p, "f", x, s, s["c"]) * s["c"] + np.tanh(net(p, "g", x, s))
    h_t = gate(p, "o", x, s, c_t) * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}


def step_nfg(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t = s["c"] + gate(p, "i", x, s, s["c"]) * np.tanh(net(p, "g", x, s))
    h_t = gate(p, "o", x, s, c_t) * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}


def step_nog(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t = gate(p, "f", x, s, s["c"]) * s["c"] + gate(p, "i", x, s, s["c"]) * np.tanh(net(p, "g", x, s))
    h_t = np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}


def step_niaf(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t = gate(p, "f", x, s, s["c"]) * s["c"] + gate(p, "i", x, s, s["c"]) * net(p, "g", x, s)
    h_t = gate(p, "o", x, s, c_t) * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}


def step_noaf(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t = gate(p, "f", x, s, s["c"]) * s["c"] + gate(p, "i", x, s, s["c"]) * np.tanh(net(p, "g", x, s))
    h_t = gate(p, "o", x, s, c_t) * c_t
    return h_t, {"h": h_t, "c": c_t}


def step_np(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    i_t, f_t, o_t = (sigmoid(net(p, a, x, s)) for a in "ifo")
    c_t = f_t * s["c"] + i_t * np.tanh(net(p, "g", x, s))
    h_t = o_t * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}


def step_cifg(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    i_t = gate(p, "i", x, s, s["c"])
    c_t = (1 - i_t) * s["c"] + i_t * np.tanh(net(p, "g", x, s))
    h_t = gate(p, "o", x, s, c_t) * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t}


def step_fgr(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    fed_back = {a: p[f"Q_{a}i"] @ s["i"] + p[f"Q_{a}f"] @ s["f"] + p[f"Q_{a}o"] @ s["o"] for a in "ifo"}
    i_t = sigmoid(net(p, "i", x, s) + fed_back["i"] + p["p_i"] * s["c"])
    f_t = sigmoid(net(p, "f", x, s) + fed_back["f"] + p["p_f"] * s["c"])
    c_t = f_t * s["c"] + i_t * np.tanh(net(p, "g", x, s))
    o_t = sigmoid(net(p, "o", x, s) + fed_back["o"] + p["p_o"] * c_t)
    h_t = o_t * np.tanh(c_t)
    return h_t, {"h": h_t, "c": c_t, "i": i_t, "f": f_t, "o": o_t}
