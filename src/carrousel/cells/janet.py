"""JANET: "just another network", an LSTM that keeps only its forget gate.

    s_t = W_f x_t + R_f h_{t-1} + b_f                        before the gate
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)                  candidate
    h_t = σ(s_t) ⊙ h_{t-1} + (1 - σ(s_t - β)) ⊙ g_t          β = 1: the two weights add up to more than 1

Source: van der Westhuizen and Lasenby, "The Unreasonable Effectiveness of the Forget Gate", arXiv:1804.04849, 2018.
Differs: weights start uniform within ±√(6/(inputs+outputs)), b_f at 1 and b_g at 0, as in the authors' code without its chrono
initialisation (`carrousel.init.chrono` gives that); the authors' bound joins all columns of a row, ours takes each matrix alone.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, constant, glorot_uniform


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class Params(NamedTuple):
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    beta: Float[Tensor, ""]  # how much more of the candidate is let in, fixed


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    (h_tm1,) = s
    s_t = p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    h_t = sigmoid(s_t) * h_tm1 + (1 - sigmoid(s_t - p.beta)) * g_t
    return h_t, State(h_t)


janet = Cell(
    name="janet",
    step=step,
    Params=Params,
    State=State,
    init={
        "W_f": glorot_uniform("D", "H"),
        "R_f": glorot_uniform("H", "H"),
        "b_f": constant(1),
        "W_g": glorot_uniform("D", "H"),
        "R_g": glorot_uniform("H", "H"),
        "b_g": constant(0),
        "beta": constant(1, is_fixed=True),
    },
    source=Source(
        title="The Unreasonable Effectiveness of the Forget Gate",
        authors=("Jos van der Westhuizen", "Joan Lasenby"),
        year=2018,
        venue="arXiv preprint",
        identifier="arXiv:1804.04849",
    ),
    differs="weights start uniform within ±√(6/(inputs+outputs)) of each matrix, b_f at 1 and b_g at 0: the authors' code "
    "without its chrono initialisation, save that it takes the bound from its joined matrix",
)
