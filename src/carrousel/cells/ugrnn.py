"""The update-gate RNN and the intersection RNN, built to be easy to train.

Each step carries its own equations. The gates keep the old: g_t = 1 leaves the state (or the input, on its way up) as it is.

Source: Collins, Sohl-Dickstein and Sussillo, "Capacity and Trainability in Recurrent Neural Networks", ICLR 2017,
arXiv:1611.09913.
Differs: the constant that the paper adds to the gates' biases is their start value here, 1, the default of the TensorFlow
version; weights start uniform within ±√(6/(inputs+outputs)), as there, and other biases at 0.
"""

from typing import NamedTuple

from torch import relu, sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, constant, glorot_uniform


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state


class UgrnnParams(NamedTuple):
    W_c: Float[Tensor, "H D"]
    R_c: Float[Tensor, "H H"]
    b_c: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]


def step_ugrnn(p: UgrnnParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """UGRNN: one gate between the old state and a candidate.

    c_t = tanh(W_c x_t + R_c h_{t-1} + b_c)              candidate
    g_t = σ(W_g x_t + R_g h_{t-1} + b_g)                 update gate
    h_t = g_t ⊙ h_{t-1} + (1 - g_t) ⊙ c_t
    """
    (h_tm1,) = s
    c_t = tanh(p.W_c @ x_t + p.R_c @ h_tm1 + p.b_c)
    g_t = sigmoid(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    h_t = g_t * h_tm1 + (1 - g_t) * c_t
    return h_t, State(h_t)


class IntersectionParams(NamedTuple):
    W_y: Float[Tensor, "D D"]  # up: what passes through the layers
    R_y: Float[Tensor, "D H"]
    b_y: Float[Tensor, " D"]
    W_h: Float[Tensor, "H D"]  # along: what passes through time
    R_h: Float[Tensor, "H H"]
    b_h: Float[Tensor, " H"]
    W_gy: Float[Tensor, "D D"]
    R_gy: Float[Tensor, "D H"]
    b_gy: Float[Tensor, " D"]
    W_gh: Float[Tensor, "H D"]
    R_gh: Float[Tensor, "H H"]
    b_gh: Float[Tensor, " H"]


def step_intersection(p: IntersectionParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " D"], State]:
    """+RNN: one gate along time and one up through the layers, so that a layer's output has its input's size.

    u_t = relu(W_y x_t + R_y h_{t-1} + b_y)              candidate of the output
    n_t = tanh(W_h x_t + R_h h_{t-1} + b_h)              candidate of the state
    gy_t = σ(W_gy x_t + R_gy h_{t-1} + b_gy)
    gh_t = σ(W_gh x_t + R_gh h_{t-1} + b_gh)
    y_t = gy_t ⊙ x_t + (1 - gy_t) ⊙ u_t                  the output
    h_t = gh_t ⊙ h_{t-1} + (1 - gh_t) ⊙ n_t
    """
    (h_tm1,) = s
    u_t = relu(p.W_y @ x_t + p.R_y @ h_tm1 + p.b_y)
    n_t = tanh(p.W_h @ x_t + p.R_h @ h_tm1 + p.b_h)
    gy_t = sigmoid(p.W_gy @ x_t + p.R_gy @ h_tm1 + p.b_gy)
    gh_t = sigmoid(p.W_gh @ x_t + p.R_gh @ h_tm1 + p.b_gh)
    y_t = gy_t * x_t + (1 - gy_t) * u_t
    h_t = gh_t * h_tm1 + (1 - gh_t) * n_t
    return y_t, State(h_t)


source = Source(
    title="Capacity and Trainability in Recurrent Neural Networks",
    authors=("Jasmine Collins", "Jascha Sohl-Dickstein", "David Sussillo"),
    year=2017,
    venue="International Conference on Learning Representations (ICLR)",
    identifier="arXiv:1611.09913",
)

ugrnn = Cell(
    name="ugrnn",
    aliases=("update_gate_rnn",),
    step=step_ugrnn,
    Params=UgrnnParams,
    State=State,
    init={
        "W_c": glorot_uniform("D", "H"),
        "R_c": glorot_uniform("H", "H"),
        "b_c": constant(0),
        "W_g": glorot_uniform("D", "H"),
        "R_g": glorot_uniform("H", "H"),
        "b_g": constant(1),
    },
    source=source,
    differs="the constant added to the gate's bias is its start value, 1, the default of the TensorFlow version; weights "
    "start uniform within ±√(6/(inputs+outputs)) of each matrix",
)
intersection_rnn = Cell(
    name="intersection_rnn",
    aliases=("plus_rnn",),
    step=step_intersection,
    Params=IntersectionParams,
    State=State,
    output="D",
    init={
        "W_y": glorot_uniform("D", "D"),
        "R_y": glorot_uniform("H", "D"),
        "b_y": constant(0),
        "W_h": glorot_uniform("D", "H"),
        "R_h": glorot_uniform("H", "H"),
        "b_h": constant(0),
        "W_gy": glorot_uniform("D", "D"),
        "R_gy": glorot_uniform("H", "D"),
        "b_gy": constant(1),
        "W_gh": glorot_uniform("D", "H"),
        "R_gh": glorot_uniform("H", "H"),
        "b_gh": constant(1),
    },
    source=source,
    differs="the output has the input's size D, whatever H is: the paper has one size for both, with a projection below the "
    "first layer; the constants added to the gates' biases are their start values, 1, and the output candidate is a "
    "rectifier, the defaults of the TensorFlow version; weights start uniform within ±√(6/(inputs+outputs)) of each matrix",
)
