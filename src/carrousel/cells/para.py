"""ParaGRU and ParaLSTM: each unit reads only its own past, so that Newton's method can solve all time steps at once.

Each step carries its own equations. B x_t is block-diagonal over N heads: the units of a head read the inputs of that head.

Source: Danieli, Rodríguez, Sarabia, Suau and Zappella, "ParaRNN: Unlocking Parallel Training of Nonlinear RNNs for Large Language
Models", arXiv:2510.21450, 2025.
Differs: initialised as the authors' cells by default, and one head where they take two.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import (
    Cell,
    Float,
    Option,
    Source,
    Tensor,
    constant,
    evenly_spaced,
    glorot_uniform,
    normal_by,
    quotient,
)


class GRUState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class GRUParams(NamedTuple):
    a_z: Float[Tensor, " H"]
    B_z: Float[Tensor, "N S E"]
    b_z: Float[Tensor, " H"]
    a_r: Float[Tensor, " H"]
    B_r: Float[Tensor, "N S E"]
    b_r: Float[Tensor, " H"]
    a_n: Float[Tensor, " H"]
    B_n: Float[Tensor, "N S E"]
    b_n: Float[Tensor, " H"]


def para_gru_step(p: GRUParams, x_t: Float[Tensor, " D"], s: GRUState) -> tuple[Float[Tensor, " H"], GRUState]:
    """ParaGRU: a GRU that resets before a diagonal recurrent matrix; z_t = 1 takes the candidate whole.

    z_t = σ(a_z ⊙ h_{t-1} + B_z x_t + b_z)                       update gate
    r_t = σ(a_r ⊙ h_{t-1} + B_r x_t + b_r)                       reset gate
    n_t = tanh(a_n ⊙ (h_{t-1} ⊙ r_t) + B_n x_t + b_n)            candidate
    h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ n_t
    """
    (h_tm1,) = s
    z_t = sigmoid(p.a_z * h_tm1 + by_head(p.B_z, x_t) + p.b_z)
    r_t = sigmoid(p.a_r * h_tm1 + by_head(p.B_r, x_t) + p.b_r)
    n_t = tanh(p.a_n * (h_tm1 * r_t) + by_head(p.B_n, x_t) + p.b_n)
    h_t = (1 - z_t) * h_tm1 + z_t * n_t
    return h_t, GRUState(h_t)


class LSTMState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state


class LSTMParams(NamedTuple):
    a_f: Float[Tensor, " H"]
    B_f: Float[Tensor, "N S E"]
    c_f: Float[Tensor, " H"]  # peephole
    b_f: Float[Tensor, " H"]
    a_z: Float[Tensor, " H"]
    B_z: Float[Tensor, "N S E"]
    b_z: Float[Tensor, " H"]
    a_o: Float[Tensor, " H"]
    B_o: Float[Tensor, "N S E"]
    c_o: Float[Tensor, " H"]  # peephole
    b_o: Float[Tensor, " H"]


def para_lstm_step(p: LSTMParams, x_t: Float[Tensor, " D"], s: LSTMState) -> tuple[Float[Tensor, " H"], LSTMState]:
    """ParaLSTM: a peephole LSTM with coupled input and forget gate and diagonal recurrent matrices.

    f_t = σ(a_f ⊙ h_{t-1} + B_f x_t + c_f ⊙ c_{t-1} + b_f)       forget gate
    z_t = tanh(a_z ⊙ h_{t-1} + B_z x_t + b_z)                    candidate
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ z_t
    o_t = σ(a_o ⊙ h_{t-1} + B_o x_t + c_o ⊙ c_t + b_o)           output gate, sees the new cell state
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1 = s
    f_t = sigmoid(p.a_f * h_tm1 + by_head(p.B_f, x_t) + p.c_f * c_tm1 + p.b_f)
    z_t = tanh(p.a_z * h_tm1 + by_head(p.B_z, x_t) + p.b_z)
    c_t = f_t * c_tm1 + (1 - f_t) * z_t
    o_t = sigmoid(p.a_o * h_tm1 + by_head(p.B_o, x_t) + p.c_o * c_t + p.b_o)
    h_t = o_t * tanh(c_t)
    return h_t, LSTMState(h_t, c_t)


def by_head(B: Float[Tensor, "N S E"], x_t: Float[Tensor, " D"]) -> Float[Tensor, " H"]:
    """B x_t, where the n-th block of B reads the n-th part of x_t and writes the n-th part of the result."""
    num_heads, _, head_inputs = B.shape
    return (B @ x_t.reshape(num_heads, head_inputs, 1)).flatten()


source = Source(
    title="ParaRNN: Unlocking Parallel Training of Nonlinear RNNs for Large Language Models",
    authors=("Federico Danieli", "Pau Rodríguez", "Miguel Sarabia", "Xavier Suau", "Luca Zappella"),
    year=2025,
    venue="arXiv preprint",
    identifier="arXiv:2510.21450",
)
options = {"N": Option("num_heads", lambda _: 1, "heads: blocks of units that read their own part of the input")}
derived = {"S": quotient("H", "N"), "E": quotient("D", "N")}
differs = "initialised as the authors' cells by default, with one head where they take two"
recurrent, zero = normal_by("H", 2 / 5**0.5), constant(0.0)

para_gru = Cell(
    name="para_gru",
    aliases=("paragru",),
    step=para_gru_step,
    Params=GRUParams,
    State=GRUState,
    options=options,
    derived=derived,
    init=dict.fromkeys(("a_z", "a_r", "a_n"), recurrent)
    | {name: glorot_uniform("E", "H") for name in ("B_z", "B_r", "B_n")}
    | {"b_z": evenly_spaced(0.0, -1.0), "b_r": zero, "b_n": zero},
    source=source,
    differs=differs,
)
para_lstm = Cell(
    name="para_lstm",
    aliases=("paralstm",),
    step=para_lstm_step,
    Params=LSTMParams,
    State=LSTMState,
    options=options,
    derived=derived,
    init=dict.fromkeys(("a_f", "a_z", "a_o", "c_f", "c_o"), recurrent)
    | {name: glorot_uniform("E", "S") for name in ("B_f", "B_z", "B_o")}
    | {"b_f": evenly_spaced(0.0, -1.0), "b_z": zero, "b_o": zero},
    source=source,
    differs=differs,
)
