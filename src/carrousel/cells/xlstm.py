"""sLSTM and mLSTM of xLSTM: exponential gates, kept in range by a running maximum of their logarithms.

Each step carries its own equations. R h_{t-1} of the sLSTM is block-diagonal over N heads: a head reads its own units alone.
The mLSTM has its name from its matrix memory; `multiplicative_lstm` is the other cell of that name.

Source: Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter and Hochreiter, "xLSTM: Extended Long Short-Term
Memory", NeurIPS 2024 (arXiv:2405.04517).
Differs: the cells alone, without the blocks' convolutions, normalisations and projections; initialised as in the authors' code.
"""

from typing import NamedTuple

import torch
from torch import exp, maximum, sigmoid, tanh
from torch.nn.functional import logsigmoid

from carrousel.cell import (
    Cell,
    Float,
    Initialiser,
    Option,
    Sizes,
    Source,
    Tensor,
    constant,
    evenly_spaced,
    normal,
    normal_by,
    quotient,
)


class SState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, divided by exp(m)
    n: Float[Tensor, " H"]  # normaliser, divided by exp(m)
    m: Float[Tensor, " H"]  # stabiliser: the largest logarithm so far


class SParams(NamedTuple):
    W_z: Float[Tensor, "H D"]
    R_z: Float[Tensor, "N S S"]
    b_z: Float[Tensor, " H"]
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "N S S"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "N S S"]
    b_f: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "N S S"]
    b_o: Float[Tensor, " H"]


def slstm_step(p: SParams, x_t: Float[Tensor, " D"], s: SState) -> tuple[Float[Tensor, " H"], SState]:
    """sLSTM: a cell state and the sum of its gates, of which the output is the quotient.

    z_t = tanh(W_z x_t + R_z h_{t-1} + b_z)                          cell input
    i_t = W_i x_t + R_i h_{t-1} + b_i                                logarithm of the input gate
    f_t = log σ(W_f x_t + R_f h_{t-1} + b_f)                         logarithm of the forget gate
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)                             output gate
    m_t = max(f_t + m_{t-1}, i_t)
    c_t = exp(f_t + m_{t-1} - m_t) ⊙ c_{t-1} + exp(i_t - m_t) ⊙ z_t
    n_t = exp(f_t + m_{t-1} - m_t) ⊙ n_{t-1} + exp(i_t - m_t)
    h_t = o_t ⊙ c_t / n_t
    """
    h_tm1, c_tm1, n_tm1, m_tm1 = s
    z_t = tanh(p.W_z @ x_t + by_head(p.R_z, h_tm1) + p.b_z)
    i_t = p.W_i @ x_t + by_head(p.R_i, h_tm1) + p.b_i
    f_t = logsigmoid(p.W_f @ x_t + by_head(p.R_f, h_tm1) + p.b_f)
    o_t = sigmoid(p.W_o @ x_t + by_head(p.R_o, h_tm1) + p.b_o)
    m_t = maximum(f_t + m_tm1, i_t)
    c_t = exp(f_t + m_tm1 - m_t) * c_tm1 + exp(i_t - m_t) * z_t
    n_t = exp(f_t + m_tm1 - m_t) * n_tm1 + exp(i_t - m_t)
    h_t = o_t * c_t / n_t
    return h_t, SState(h_t, c_t, n_t, m_t)


class MState(NamedTuple):
    C: Float[Tensor, "N S S"]  # matrix memory of each head, divided by exp(m)
    n: Float[Tensor, "N S"]  # normaliser, divided by exp(m)
    m: Float[Tensor, " N"]  # stabiliser: the largest logarithm so far


class MParams(NamedTuple):
    W_q: Float[Tensor, "N S D"]
    b_q: Float[Tensor, "N S"]
    W_k: Float[Tensor, "N S D"]
    b_k: Float[Tensor, "N S"]
    W_v: Float[Tensor, "N S D"]
    b_v: Float[Tensor, "N S"]
    w_i: Float[Tensor, "N D"]
    b_i: Float[Tensor, " N"]
    w_f: Float[Tensor, "N D"]
    b_f: Float[Tensor, " N"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]


def mlstm_matrix_step(p: MParams, x_t: Float[Tensor, " D"], s: MState) -> tuple[Float[Tensor, " H"], MState]:
    """mLSTM: each head stores values under keys in a matrix, and reads it with a query.

    q_t = W_q x_t + b_q                                              queries
    k_t = (W_k x_t + b_k) / √S                                       keys
    v_t = W_v x_t + b_v                                              values
    i_t = w_i x_t + b_i                                              logarithm of the input gate, one a head
    f_t = log σ(w_f x_t + b_f)                                       logarithm of the forget gate, one a head
    o_t = σ(W_o x_t + b_o)                                           output gate
    m_t = max(f_t + m_{t-1}, i_t)
    C_t = exp(f_t + m_{t-1} - m_t) C_{t-1} + exp(i_t - m_t) v_t k_tᵀ
    n_t = exp(f_t + m_{t-1} - m_t) n_{t-1} + exp(i_t - m_t) k_t
    r_t = C_t q_t / max(|n_tᵀ q_t|, exp(-m_t))                       what the memory holds
    h_t = o_t ⊙ r_t, the heads one after the other
    """
    C_tm1, n_tm1, m_tm1 = s
    q_t = p.W_q @ x_t + p.b_q
    k_t = (p.W_k @ x_t + p.b_k) / p.b_k.shape[1] ** 0.5
    v_t = p.W_v @ x_t + p.b_v
    i_t = p.w_i @ x_t + p.b_i
    f_t = logsigmoid(p.w_f @ x_t + p.b_f)
    o_t = sigmoid(p.W_o @ x_t + p.b_o)
    m_t = maximum(f_t + m_tm1, i_t)
    C_t = (
        exp(f_t + m_tm1 - m_t)[:, None, None] * C_tm1
        + exp(i_t - m_t)[:, None, None] * v_t[:, :, None] * k_t[:, None, :]
    )
    n_t = exp(f_t + m_tm1 - m_t)[:, None] * n_tm1 + exp(i_t - m_t)[:, None] * k_t
    r_t = (C_t @ q_t[:, :, None])[:, :, 0] / maximum((n_t * q_t).sum(1).abs(), exp(-m_t))[:, None]
    h_t = o_t * r_t.flatten()
    return h_t, MState(C_t, n_t, m_t)


def by_head(matrices: Tensor, vector: Tensor) -> Tensor:
    """The block-diagonal matrix of these blocks (N, S, S), times a vector (H)."""
    heads, size, _ = matrices.shape
    return (matrices @ vector.reshape(heads, size, 1)).flatten()


def power_law() -> Initialiser:
    """5 at the first unit of a head down to -7 at its last: 5 - 12 (k/(S-1))^0.3; 5 where a head has one unit."""

    def fill(tensor: Tensor, sizes: Sizes, _generator: torch.Generator | None) -> None:
        place = torch.arange(sizes["S"], dtype=torch.float64) / max(1, sizes["S"] - 1)
        tensor.copy_((5 - 12 * place**0.3).repeat(sizes["N"]))

    return Initialiser("5 - 12 (k/(S-1))^0.3, k = 0 … S-1 in each head", fill)


source = Source(
    title="xLSTM: Extended Long Short-Term Memory",
    authors=(
        "Maximilian Beck",
        "Korbinian Pöppel",
        "Markus Spanring",
        "Andreas Auer",
        "Oleksandra Prudnikova",
        "Michael Kopp",
        "Günter Klambauer",
        "Johannes Brandstetter",
        "Sepp Hochreiter",
    ),
    year=2024,
    venue="Advances in Neural Information Processing Systems 37 (NeurIPS)",
    identifier="arXiv:2405.04517",
)
heads = {"N": Option("num_heads", lambda _: 1, "heads, each with its own recurrence")}
head_size = {"S": quotient("H", "N")}
inputs, zero = normal_by("D", 0.4**0.5), constant(0.0)

slstm = Cell(
    name="slstm",
    step=slstm_step,
    Params=SParams,
    State=SState,
    options=heads,
    derived=head_size,
    init={name: inputs if name.startswith("W") else zero for name in SParams._fields} | {"b_f": power_law()},
    source=source,
    differs="the cell alone, without its block's convolution, normalisation and projections; a sigmoid forget gate, not the "
    "exponential one; the stabiliser starts at 0 like all of the state; "
    "initialised as in the authors' code, as the first of its blocks",
)
mlstm_matrix = Cell(
    name="mlstm_matrix",
    aliases=("matrix_lstm",),
    step=mlstm_matrix_step,
    Params=MParams,
    State=MState,
    options=heads,
    derived=head_size,
    init={name: inputs if name.startswith("W") else zero for name in MParams._fields}
    | {"b_i": normal(0.1), "b_f": evenly_spaced(3.0, 6.0)},
    source=source,
    differs="the cell alone, without its block's convolution, normalisation and projections; the gates read x_t, as in the "
    "paper, where the authors' code gives them queries, keys and values; "
    "initialised as in that code; named apart from the multiplicative LSTM",
)
