"""Gated recurrent neural tensor networks: a tensor product of input and state within the candidate of a GRU or an LSTM.

`gru_rntn` and `lstm_rntn`; each step carries its own equations. T is a tensor, T[d] its slice for unit d, and

    xᵀ T[·] h

the vector of the numbers xᵀ T[d] h, one a unit.

Source: Tjandra, Sakti, Manurung, Adriani and Nakamura, "Gated Recurrent Neural Tensor Network", IJCNN 2016.
Differs: the equations are taken from reports of the paper's text, its parameter counts confirm the sizes; the candidate is
called n in the GRU and g in the LSTM; the weights start orthogonal, as in the paper, each slice of the tensor by itself, and
the biases at zero, which the paper does not say.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, constant, orthogonal


class GRUState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class GRUParams(NamedTuple):
    W_r: Float[Tensor, "H D"]
    R_r: Float[Tensor, "H H"]
    b_r: Float[Tensor, " H"]
    W_z: Float[Tensor, "H D"]
    R_z: Float[Tensor, "H H"]
    b_z: Float[Tensor, " H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    T: Float[Tensor, "H D H"]
    b_n: Float[Tensor, " H"]


def step_gru(p: GRUParams, x_t: Float[Tensor, " D"], s: GRUState) -> tuple[Float[Tensor, " H"], GRUState]:
    """GRURNTN: the tensor multiplies the input and the state that the reset gate lets through.

    r_t = σ(W_r x_t + R_r h_{t-1} + b_r)
    z_t = σ(W_z x_t + R_z h_{t-1} + b_z)
    q_t = r_t ⊙ h_{t-1}
    n_t = tanh(W_n x_t + R_n q_t + x_tᵀ T[·] q_t + b_n)
    h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ n_t
    """
    (h_tm1,) = s
    r_t = sigmoid(p.W_r @ x_t + p.R_r @ h_tm1 + p.b_r)
    z_t = sigmoid(p.W_z @ x_t + p.R_z @ h_tm1 + p.b_z)
    q_t = r_t * h_tm1
    n_t = tanh(p.W_n @ x_t + p.R_n @ q_t + p.T @ q_t @ x_t + p.b_n)
    h_t = (1 - z_t) * h_tm1 + z_t * n_t
    return h_t, GRUState(h_t)


class LSTMState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel


class LSTMParams(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    T: Float[Tensor, "H D H"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    b_o: Float[Tensor, " H"]


def step_lstm(p: LSTMParams, x_t: Float[Tensor, " D"], s: LSTMState) -> tuple[Float[Tensor, " H"], LSTMState]:
    """LSTMRNTN: the tensor multiplies the input and the hidden state before it.

    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + x_tᵀ T[·] h_{t-1} + b_g)
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.T @ h_tm1 @ x_t + p.b_g)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    c_t = f_t * c_tm1 + i_t * g_t
    h_t = o_t * tanh(c_t)
    return h_t, LSTMState(h_t, c_t)


source = Source(
    title="Gated Recurrent Neural Tensor Network",
    authors=("Andros Tjandra", "Sakriani Sakti", "Ruli Manurung", "Mirna Adriani", "Satoshi Nakamura"),
    year=2016,
    venue="International Joint Conference on Neural Networks (IJCNN), pages 448-455",
    identifier="doi:10.1109/IJCNN.2016.7727233",
)

gru_rntn = Cell(
    name="gru_rntn",
    aliases=("grurntn",),
    step=step_gru,
    Params=GRUParams,
    State=GRUState,
    init={name: constant(0.0) if name.startswith("b_") else orthogonal() for name in GRUParams._fields},
    source=source,
    differs="equations as reported from the paper's text, sizes confirmed by its parameter counts; orthogonal weights as in "
    "the paper (each slice of the tensor by itself), biases zero",
)

lstm_rntn = Cell(
    name="lstm_rntn",
    aliases=("lstmrntn",),
    step=step_lstm,
    Params=LSTMParams,
    State=LSTMState,
    init={name: constant(0.0) if name.startswith("b_") else orthogonal() for name in LSTMParams._fields},
    source=source,
    differs="equations as reported from the paper's text, sizes confirmed by its parameter counts; orthogonal weights as in "
    "the paper (each slice of the tensor by itself), biases zero",
)
