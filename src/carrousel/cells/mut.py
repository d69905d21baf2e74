"""MUT1, MUT2 and MUT3: the best cells that a search by mutation found, close to the GRU.

Each step carries its own equations. The gate z_t multiplies the candidate, the other way round from `gru_reset_before`.

Source: Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015.
Differs: the paper counts the input and the state before it with the same index t; names of parameters (W_z is the paper's W_xz,
R_n its W_hh, and so on); all parameters start uniform within ±1/√H, the middle of the scales that the paper searches, biases
included.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, same, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class Mut1Params(NamedTuple):
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    W_r: Float[Tensor, "H D"]
    R_r: Float[Tensor, "H H"]
    b_r: Float[Tensor, " H"]
    R_n: Float[Tensor, "H H"]
    b_n: Float[Tensor, " H"]


def step_mut1(p: Mut1Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """MUT1: the update gate sees the input alone, and the input enters the candidate as it is (D = H).

    z_t = σ(W_z x_t + b_z)
    r_t = σ(W_r x_t + R_r h_{t-1} + b_r)
    n_t = tanh(R_n (r_t ⊙ h_{t-1}) + tanh(x_t) + b_n)
    h_t = n_t ⊙ z_t + h_{t-1} ⊙ (1 - z_t)
    """
    (h_tm1,) = s
    z_t = sigmoid(p.W_z @ x_t + p.b_z)
    r_t = sigmoid(p.W_r @ x_t + p.R_r @ h_tm1 + p.b_r)
    n_t = tanh(p.R_n @ (r_t * h_tm1) + tanh(x_t) + p.b_n)
    h_t = n_t * z_t + h_tm1 * (1 - z_t)
    return h_t, State(h_t)


class Mut2Params(NamedTuple):
    W_z: Float[Tensor, "H D"]
    R_z: Float[Tensor, "H H"]
    b_z: Float[Tensor, " H"]
    R_r: Float[Tensor, "H H"]
    b_r: Float[Tensor, " H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    b_n: Float[Tensor, " H"]


def step_mut2(p: Mut2Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """MUT2: the input enters the reset gate as it is (D = H).

    z_t = σ(W_z x_t + R_z h_{t-1} + b_z)
    r_t = σ(x_t + R_r h_{t-1} + b_r)
    n_t = tanh(R_n (r_t ⊙ h_{t-1}) + W_n x_t + b_n)
    h_t = n_t ⊙ z_t + h_{t-1} ⊙ (1 - z_t)
    """
    (h_tm1,) = s
    z_t = sigmoid(p.W_z @ x_t + p.R_z @ h_tm1 + p.b_z)
    r_t = sigmoid(x_t + p.R_r @ h_tm1 + p.b_r)
    n_t = tanh(p.R_n @ (r_t * h_tm1) + p.W_n @ x_t + p.b_n)
    h_t = n_t * z_t + h_tm1 * (1 - z_t)
    return h_t, State(h_t)


class Mut3Params(NamedTuple):
    W_z: Float[Tensor, "H D"]
    R_z: Float[Tensor, "H H"]
    b_z: Float[Tensor, " H"]
    W_r: Float[Tensor, "H D"]
    R_r: Float[Tensor, "H H"]
    b_r: Float[Tensor, " H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    b_n: Float[Tensor, " H"]


def step_mut3(p: Mut3Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """MUT3: the update gate sees the squashed state.

    z_t = σ(W_z x_t + R_z tanh(h_{t-1}) + b_z)
    r_t = σ(W_r x_t + R_r h_{t-1} + b_r)
    n_t = tanh(R_n (r_t ⊙ h_{t-1}) + W_n x_t + b_n)
    h_t = n_t ⊙ z_t + h_{t-1} ⊙ (1 - z_t)
    """
    (h_tm1,) = s
    z_t = sigmoid(p.W_z @ x_t + p.R_z @ tanh(h_tm1) + p.b_z)
    r_t = sigmoid(p.W_r @ x_t + p.R_r @ h_tm1 + p.b_r)
    n_t = tanh(p.R_n @ (r_t * h_tm1) + p.W_n @ x_t + p.b_n)
    h_t = n_t * z_t + h_tm1 * (1 - z_t)
    return h_t, State(h_t)


source = Source(
    title="An Empirical Exploration of Recurrent Network Architectures",
    authors=("Rafal Jozefowicz", "Wojciech Zaremba", "Ilya Sutskever"),
    year=2015,
    venue="Proceedings of the 32nd International Conference on Machine Learning (ICML), PMLR 37:2342-2350",
)
differs = "all parameters start uniform within ±1/√H, biases included, one of the scales that the paper searches"

mut1 = Cell(
    name="mut1",
    step=step_mut1,
    Params=Mut1Params,
    State=State,
    derived={"H": same("H", "D")},
    init={name: uniform_hidden() for name in Mut1Params._fields},
    source=source,
    differs=differs,
)
mut2 = Cell(
    name="mut2",
    step=step_mut2,
    Params=Mut2Params,
    State=State,
    derived={"H": same("H", "D")},
    init={name: uniform_hidden() for name in Mut2Params._fields},
    source=source,
    differs=differs,
)
mut3 = Cell(
    name="mut3",
    step=step_mut3,
    Params=Mut3Params,
    State=State,
    init={name: uniform_hidden() for name in Mut3Params._fields},
    source=source,
    differs=differs,
)
