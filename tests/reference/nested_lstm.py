"""Nested LSTM: the cell state of an LSTM is itself the output of an LSTM, to depth L.

A level is a function of its input x, the state h before it and its memories c^1 (its own), c^2 ... (those inside it):

    i = σ(A_i x + U_i h + b_i)          f, o likewise
    g = φ(A_g x + U_g h + b_g)          φ = identity at the outermost of several levels, else tanh
    c^1_t = f ⊙ c^1 + i ⊙ g                                              innermost level
    c^1_t = output of the level inside, with input i ⊙ g, state f ⊙ c^1 and memories c^2 ...
    output = o ⊙ tanh(c^1_t)

The outermost level reads the input of the network, A_a = W_a, and h_{t-1}; level l >= 2 has A_a = V_a[l - 2].

Parameters, for each a of i, f, o, g: W_a (H, D), V_a (L - 1, H, H), R_a (L, H, H) the U of each level, b_a (L, H). State:
h (H,), c (L, H), outermost first. The output is h_t.
Source: Moniz and Krueger, "Nested LSTMs", ACML 2017, section 3 and figure 2.
Differs: at depth 1 the only level is the innermost, a plain LSTM with tanh.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def level(p: Arrays, depth: int, x: Array, h: Array, memories: Array) -> tuple[Array, list[Array]]:
    """Output of the level at that depth (0 is the outermost) and the new memories from there inwards."""
    levels = memories.shape[0]

    def net(a: str) -> Array:
        read = p[f"W_{a}"] if depth == 0 else p[f"V_{a}"][depth - 1]
        return read @ x + p[f"R_{a}"][depth] @ h + p[f"b_{a}"][depth]

    i, f, o = sigmoid(net("i")), sigmoid(net("f")), sigmoid(net("o"))
    is_innermost = depth == levels - 1
    g = net("g") if depth == 0 and not is_innermost else np.tanh(net("g"))
    if is_innermost:
        c, inside = f * memories[depth] + i * g, []
    else:
        c, inside = level(p, depth + 1, i * g, f * memories[depth], memories)
    return o * np.tanh(c), [c, *inside]


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    h_t, c_t = level(p, 0, x, s["h"], s["c"])
    return h_t, {"h": h_t, "c": np.stack(c_t)}
