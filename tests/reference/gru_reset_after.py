"""GRU that resets the result of the recurrent matrix of the candidate, so that all three matrices read h_{t-1}.

    r_t = σ(W_r x_t + R_r h_{t-1} + b_r)
    z_t = σ(W_z x_t + R_z h_{t-1} + b_z)
    n_t = tanh(W_n x_t + b_n + r_t ⊙ (R_n h_{t-1} + b_hn))
    h_t = (1 - z_t) ⊙ n_t + z_t ⊙ h_{t-1}

Parameters, for each a of r, z, n: W_a (H, D), R_a (H, H), b_a (H,); b_hn (H,). State: h (H,). The output is h_t.
Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
arXiv 1406.1078v1, 2014; the form of cuDNN and of torch.nn.GRU.
Differs: the paper prints no biases.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    r_t = sigmoid(p["W_r"] @ x + p["R_r"] @ s["h"] + p["b_r"])
    z_t = sigmoid(p["W_z"] @ x + p["R_z"] @ s["h"] + p["b_z"])
    n_t = np.tanh(p["W_n"] @ x + p["b_n"] + r_t * (p["R_n"] @ s["h"] + p["b_hn"]))
    h_t = (1 - z_t) * n_t + z_t * s["h"]
    return h_t, {"h": h_t}
