"""minGRU and minLSTM: the gates forget the past state, so that a whole sequence is one scan.

Each step carries its own equations. Plain cells use the candidate as it is; the `_positive` ones are what the paper trains with,
in logarithms, where the candidate must be positive: g(a) = a + 0.5 for a ≥ 0, σ(a) below.

Source: Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, "Were RNNs All We Needed?", arXiv:2410.01201, 2024, sections 3.1 and 3.2,
appendix B.
Differs: parameters start as in torch.nn.Linear, uniform within ±1/√D; the positive cells compute in values, not in logarithms,
and start from a state of zeros, where the paper's logarithmic form takes g of its initial state.
"""

from typing import NamedTuple

import torch
from torch import sigmoid

from carrousel.cell import Cell, Float, Source, Tensor, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class GRUParams(NamedTuple):
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    W_h: Float[Tensor, "H D"]
    b_h: Float[Tensor, " H"]


class LSTMParams(NamedTuple):
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    W_i: Float[Tensor, "H D"]
    b_i: Float[Tensor, " H"]
    W_h: Float[Tensor, "H D"]
    b_h: Float[Tensor, " H"]


def min_gru_step(p: GRUParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """minGRU: one gate; z_t = 1 takes the candidate whole.

    z_t = σ(W_z x_t + b_z)                                       update gate
    n_t = W_h x_t + b_h                                          candidate
    h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ n_t
    """
    (h_tm1,) = s
    z_t = sigmoid(p.W_z @ x_t + p.b_z)
    n_t = p.W_h @ x_t + p.b_h
    h_t = (1 - z_t) * h_tm1 + z_t * n_t
    return h_t, State(h_t)


def min_gru_positive_step(p: GRUParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """minGRU with a positive candidate.

    z_t = σ(W_z x_t + b_z)                                       update gate
    n_t = g(W_h x_t + b_h)                                       candidate, positive
    h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ n_t
    """
    (h_tm1,) = s
    z_t = sigmoid(p.W_z @ x_t + p.b_z)
    n_t = g(p.W_h @ x_t + p.b_h)
    h_t = (1 - z_t) * h_tm1 + z_t * n_t
    return h_t, State(h_t)


def min_lstm_step(p: LSTMParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """minLSTM: forget and input gate share out one whole.

    f_t = σ(W_f x_t + b_f)                                       forget gate
    i_t = σ(W_i x_t + b_i)                                       input gate
    n_t = W_h x_t + b_h                                          candidate
    h_t = f_t / (f_t + i_t) ⊙ h_{t-1} + i_t / (f_t + i_t) ⊙ n_t
    """
    (h_tm1,) = s
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    i_t = sigmoid(p.W_i @ x_t + p.b_i)
    n_t = p.W_h @ x_t + p.b_h
    h_t = f_t / (f_t + i_t) * h_tm1 + i_t / (f_t + i_t) * n_t
    return h_t, State(h_t)


def min_lstm_positive_step(p: LSTMParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """minLSTM with a positive candidate.

    f_t = σ(W_f x_t + b_f)                                       forget gate
    i_t = σ(W_i x_t + b_i)                                       input gate
    n_t = g(W_h x_t + b_h)                                       candidate, positive
    h_t = f_t / (f_t + i_t) ⊙ h_{t-1} + i_t / (f_t + i_t) ⊙ n_t
    """
    (h_tm1,) = s
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    i_t = sigmoid(p.W_i @ x_t + p.b_i)
    n_t = g(p.W_h @ x_t + p.b_h)
    h_t = f_t / (f_t + i_t) * h_tm1 + i_t / (f_t + i_t) * n_t
    return h_t, State(h_t)


def g(a: Float[Tensor, " H"]) -> Float[Tensor, " H"]:
    """A continuous, increasing, positive function: a + 0.5 from 0 on, σ(a) below."""
    return torch.where(a >= 0, a + 0.5, sigmoid(a))


source = Source(
    title="Were RNNs All We Needed?",
    authors=("Leo Feng", "Frederick Tung", "Mohamed Osama Ahmed", "Yoshua Bengio", "Hossein Hajimirsadeghi"),
    year=2024,
    venue="arXiv preprint",
    identifier="arXiv:2410.01201",
)
initialised = "parameters start uniform within ±1/√D, as in torch.nn.Linear"
in_values = (
    "computes in values instead of logarithms, from a state of zeros where the paper takes g of its initial state"
)

min_gru = Cell(
    name="min_gru",
    aliases=("mingru",),
    step=min_gru_step,
    Params=GRUParams,
    State=State,
    init={name: uniform_hidden("D") for name in GRUParams._fields},
    source=source,
    differs=initialised,
)
min_lstm = Cell(
    name="min_lstm",
    aliases=("minlstm",),
    step=min_lstm_step,
    Params=LSTMParams,
    State=State,
    init={name: uniform_hidden("D") for name in LSTMParams._fields},
    source=source,
    differs=initialised,
)
min_gru_positive = Cell(
    name="min_gru_positive",
    step=min_gru_positive_step,
    Params=GRUParams,
    State=State,
    init={name: uniform_hidden("D") for name in GRUParams._fields},
    source=source,
    differs=f"{initialised}; {in_values}",
)
min_lstm_positive = Cell(
    name="min_lstm_positive",
    step=min_lstm_positive_step,
    Params=LSTMParams,
    State=State,
    init={name: uniform_hidden("D") for name in LSTMParams._fields},
    source=source,
    differs=f"{initialised}; {in_values}",
)
