"""Multiplicative LSTM: the gates read an intermediate state in which the input multiplies the recurrent part.

Two definitions go by this name, and both are here. `multiplicative_lstm` is that of the paper's equations and of the authors'
chainer code: an LSTM on m_t in place of h_{t-1}. `multiplicative_lstm_linear` is that of their MATLAB code: the cell input is
linear, and the output gate stands inside the squashing. (The matrix LSTM of xLSTM, also called mLSTM, is another cell.)

Source: Krause, Lu, Murray and Renals, "Multiplicative LSTM for sequence modelling", ICLR 2017 workshop track.
Differs: see each cell.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, constant, normal, orthogonal


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel


class Params(NamedTuple):
    W_m: Float[Tensor, "H D"]
    R_m: Float[Tensor, "H H"]
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    b_o: Float[Tensor, " H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """An LSTM on m_t in place of h_{t-1}; `multiplicative_lstm_linear` is the other cell of this name.

    m_t = (W_m x_t) ⊙ (R_m h_{t-1})
    i_t = σ(W_i x_t + R_i m_t + b_i)
    f_t = σ(W_f x_t + R_f m_t + b_f)
    g_t = tanh(W_g x_t + R_g m_t + b_g)
    o_t = σ(W_o x_t + R_o m_t + b_o)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1 = s
    m_t = (p.W_m @ x_t) * (p.R_m @ h_tm1)
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ m_t + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ m_t + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ m_t + p.b_g)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ m_t + p.b_o)
    c_t = f_t * c_tm1 + i_t * g_t
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


class LinearParams(NamedTuple):
    W_m: Float[Tensor, "H D"]
    R_m: Float[Tensor, "H H"]
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    b_o: Float[Tensor, " H"]
    b_h: Float[Tensor, " H"]


def step_linear(p: LinearParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """The authors' MATLAB cell: linear cell input, output gate inside the squashing; the other one is `multiplicative_lstm`.

    m_t = (W_m x_t) ⊙ (R_m h_{t-1})
    i_t = σ(W_i x_t + R_i m_t + b_i)
    f_t = σ(W_f x_t + R_f m_t + b_f)
    g_t = W_g x_t + R_g m_t
    o_t = σ(W_o x_t + R_o m_t + b_o)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = tanh(o_t ⊙ c_t + b_h)
    """
    h_tm1, c_tm1 = s
    m_t = (p.W_m @ x_t) * (p.R_m @ h_tm1)
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ m_t + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ m_t + p.b_f)
    g_t = p.W_g @ x_t + p.R_g @ m_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ m_t + p.b_o)
    c_t = f_t * c_tm1 + i_t * g_t
    h_t = tanh(o_t * c_t + p.b_h)
    return h_t, State(h_t, c_t)


source = Source(
    title="Multiplicative LSTM for sequence modelling",
    authors=("Ben Krause", "Liang Lu", "Iain Murray", "Steve Renals"),
    year=2016,
    venue="arXiv preprint; International Conference on Learning Representations (ICLR), workshop track, 2017",
    identifier="arXiv:1609.07959",
)
matrices = [f"{kind}_{name}" for kind in "WR" for name in ("m", "i", "f", "g", "o")]
biases = {"b_i": constant(0.0), "b_f": constant(3.0), "b_o": constant(0.0)}

multiplicative_lstm = Cell(
    name="multiplicative_lstm",
    aliases=("mlstm_krause",),
    step=step,
    Params=Params,
    State=State,
    init=dict.fromkeys(matrices, orthogonal()) | biases | {"b_g": constant(0.0)},
    source=source,
    differs="nothing in the equations; started as in the authors' chainer code, orthogonal weights (gate by gate, where they "
    "join the gates) and forget biases 3, without its weight normalisation",
)

multiplicative_lstm_linear = Cell(
    name="multiplicative_lstm_linear",
    step=step_linear,
    Params=LinearParams,
    State=State,
    init={name: normal(0.1 if name.startswith("W") else 0.02) for name in matrices} | biases | {"b_h": constant(0.0)},
    source=source,
    differs="from the paper's equations: linear cell input without bias, output gate inside the squashing, with a bias, as "
    "in the authors' MATLAB code; initialised as there",
)
