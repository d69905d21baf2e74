"""Update-gate RNN and intersection RNN ("+RNN").

UGRNN:
    c_t = tanh(W_c x_t + R_c h_{t-1} + b_c)
    g_t = σ(W_g x_t + R_g h_{t-1} + b_g)
    h_t = g_t ⊙ h_{t-1} + (1 - g_t) ⊙ c_t

+RNN, whose output y_t has the size of x_t:
    y_in = relu(W_y x_t + R_y h_{t-1} + b_y)
    h_in = tanh(W_h x_t + R_h h_{t-1} + b_h)
    g_y = σ(W_gy x_t + R_gy h_{t-1} + b_gy)
    g_h = σ(W_gh x_t + R_gh h_{t-1} + b_gh)
    y_t = g_y ⊙ x_t + (1 - g_y) ⊙ y_in
    h_t = g_h ⊙ h_{t-1} + (1 - g_h) ⊙ h_in

Parameters, for a of c, g or h, gh: W_a (H, D), R_a (H, H), b_a (H,); for a of y, gy: W_a (D, D), R_a (D, H), b_a (D,). State:
h (H,). The output is h_t of the UGRNN, y_t of the +RNN.
Source: Collins, Sohl-Dickstein and Sussillo, "Capacity and Trainability in Recurrent Neural Networks", ICLR 2017.
Differs: the forget biases are part of b_g, b_gy and b_gh.
"""

import numpy as np
from reference.arrays import Array, Arrays, sigmoid
from reference.elman import relu


def net(p: Arrays, a: str, x: Array, s: Arrays) -> Array:
    return p[f"W_{a}"] @ x + p[f"R_{a}"] @ s["h"] + p[f"b_{a}"]


def step(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    c_t, g_t = np.tanh(net(p, "c", x, s)), sigmoid(net(p, "g", x, s))
    h_t = g_t * s["h"] + (1 - g_t) * c_t
    return h_t, {"h": h_t}


def step_intersection(p: Arrays, x: Array, s: Arrays) -> tuple[Array, Arrays]:
    y_in, h_in = relu(net(p, "y", x, s)), np.tanh(net(p, "h", x, s))
    g_y, g_h = sigmoid(net(p, "gy", x, s)), sigmoid(net(p, "gh", x, s))
    y_t = g_y * x + (1 - g_y) * y_in
    h_t = g_h * s["h"] + (1 - g_h) * h_in
    return y_t, {"h": h_t}
