"""LSTM and GRU with layer normalisation of what enters them from below and from the step before.

    norm(a) = (a - mean of a) / √(variance of a + 10⁻⁵)

Mean and variance run over all numbers in the brackets: four gates of H units together in the LSTM, two in the GRU; rows are gates.
Each step carries its own equations.

Source: Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450, 2016, equations 20-22 and the supplement; 10⁻⁵, the initial
values and the two ends of the GRU from the authors' code.
Differs: the authors' code adds the LSTM's bias twice, before and after the norm, where the paper and this file add it after; input
matrices that are square start orthogonal there, and from N(0, 0.01²) here like the others; the GRU's sign of z is the paper's as we
remember it, opposite to the code's.
"""

from typing import NamedTuple

import torch
from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Initialiser, Source, Tensor, constant, normal, orthogonal


def norm(a: Tensor) -> Tensor:
    """Mean 0 and variance 1 over all elements."""
    centred = a - a.mean()
    return centred / torch.sqrt((centred * centred).mean() + 1e-5)


class LSTMState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel


class LSTMParams(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    b_i: Float[Tensor, " H"]
    alpha_1_i: Float[
        Tensor, " H"
    ]  # alpha: gains, beta: shifts; 1 what comes from the step before, 2 the input, 3 the cell state
    beta_1_i: Float[Tensor, " H"]
    alpha_2_i: Float[Tensor, " H"]
    beta_2_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    alpha_1_f: Float[Tensor, " H"]
    beta_1_f: Float[Tensor, " H"]
    alpha_2_f: Float[Tensor, " H"]
    beta_2_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    alpha_1_g: Float[Tensor, " H"]
    beta_1_g: Float[Tensor, " H"]
    alpha_2_g: Float[Tensor, " H"]
    beta_2_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    b_o: Float[Tensor, " H"]
    alpha_1_o: Float[Tensor, " H"]
    beta_1_o: Float[Tensor, " H"]
    alpha_2_o: Float[Tensor, " H"]
    beta_2_o: Float[Tensor, " H"]
    alpha_3: Float[Tensor, " H"]
    beta_3: Float[Tensor, " H"]


def step_lstm(p: LSTMParams, x_t: Float[Tensor, " D"], s: LSTMState) -> tuple[Float[Tensor, " H"], LSTMState]:
    """Layer-norm LSTM: the recurrent part, the input part and the cell state are normalised.

    u_t = norm([R_i h_{t-1}; R_f h_{t-1}; R_g h_{t-1}; R_o h_{t-1}])
    v_t = norm([W_i x_t; W_f x_t; W_g x_t; W_o x_t])
    i_t = σ(α_1i ⊙ u_t[0] + β_1i + α_2i ⊙ v_t[0] + β_2i + b_i)         input gate
    f_t = σ(α_1f ⊙ u_t[1] + β_1f + α_2f ⊙ v_t[1] + β_2f + b_f)         forget gate
    g_t = tanh(α_1g ⊙ u_t[2] + β_1g + α_2g ⊙ v_t[2] + β_2g + b_g)      candidate
    o_t = σ(α_1o ⊙ u_t[3] + β_1o + α_2o ⊙ v_t[3] + β_2o + b_o)         output gate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = o_t ⊙ tanh(α_3 ⊙ norm(c_t) + β_3)
    """
    h_tm1, c_tm1 = s
    u_t = norm(torch.stack([p.R_i @ h_tm1, p.R_f @ h_tm1, p.R_g @ h_tm1, p.R_o @ h_tm1]))
    v_t = norm(torch.stack([p.W_i @ x_t, p.W_f @ x_t, p.W_g @ x_t, p.W_o @ x_t]))
    i_t = sigmoid(p.alpha_1_i * u_t[0] + p.beta_1_i + p.alpha_2_i * v_t[0] + p.beta_2_i + p.b_i)
    f_t = sigmoid(p.alpha_1_f * u_t[1] + p.beta_1_f + p.alpha_2_f * v_t[1] + p.beta_2_f + p.b_f)
    g_t = tanh(p.alpha_1_g * u_t[2] + p.beta_1_g + p.alpha_2_g * v_t[2] + p.beta_2_g + p.b_g)
    o_t = sigmoid(p.alpha_1_o * u_t[3] + p.beta_1_o + p.alpha_2_o * v_t[3] + p.beta_2_o + p.b_o)
    c_t = f_t * c_tm1 + i_t * g_t
    h_t = o_t * tanh(p.alpha_3 * norm(c_t) + p.beta_3)
    return h_t, LSTMState(h_t, c_t)


class GRUState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class GRUParams(NamedTuple):
    W_z: Float[Tensor, "H D"]
    R_z: Float[Tensor, "H H"]
    alpha_1_z: Float[
        Tensor, " H"
    ]  # alpha: gains, beta: shifts; 1 and 4 what comes from the step before, 2 and 3 the input
    beta_1_z: Float[Tensor, " H"]
    alpha_2_z: Float[Tensor, " H"]
    beta_2_z: Float[Tensor, " H"]
    W_r: Float[Tensor, "H D"]
    R_r: Float[Tensor, "H H"]
    alpha_1_r: Float[Tensor, " H"]
    beta_1_r: Float[Tensor, " H"]
    alpha_2_r: Float[Tensor, " H"]
    beta_2_r: Float[Tensor, " H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    alpha_3: Float[Tensor, " H"]
    beta_3: Float[Tensor, " H"]
    alpha_4: Float[Tensor, " H"]
    beta_4: Float[Tensor, " H"]


def step_gru(p: GRUParams, x_t: Float[Tensor, " D"], s: GRUState) -> tuple[Float[Tensor, " H"], GRUState]:
    """Layer-norm GRU, with the reset gate after the recurrent matrix and z_t on the candidate.

    u_t = norm([R_z h_{t-1}; R_r h_{t-1}])
    v_t = norm([W_z x_t; W_r x_t])
    z_t = σ(α_1z ⊙ u_t[0] + β_1z + α_2z ⊙ v_t[0] + β_2z)                                      update gate
    r_t = σ(α_1r ⊙ u_t[1] + β_1r + α_2r ⊙ v_t[1] + β_2r)                                      reset gate
    n_t = tanh(α_3 ⊙ norm(W_n x_t) + β_3 + r_t ⊙ (α_4 ⊙ norm(R_n h_{t-1}) + β_4))             candidate
    h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ n_t
    """
    (h_tm1,) = s
    u_t = norm(torch.stack([p.R_z @ h_tm1, p.R_r @ h_tm1]))
    v_t = norm(torch.stack([p.W_z @ x_t, p.W_r @ x_t]))
    z_t = sigmoid(p.alpha_1_z * u_t[0] + p.beta_1_z + p.alpha_2_z * v_t[0] + p.beta_2_z)
    r_t = sigmoid(p.alpha_1_r * u_t[1] + p.beta_1_r + p.alpha_2_r * v_t[1] + p.beta_2_r)
    n_t = tanh(p.alpha_3 * norm(p.W_n @ x_t) + p.beta_3 + r_t * (p.alpha_4 * norm(p.R_n @ h_tm1) + p.beta_4))
    h_t = (1 - z_t) * h_tm1 + z_t * n_t
    return h_t, GRUState(h_t)


source = Source(
    title="Layer Normalization",
    authors=("Jimmy Lei Ba", "Jamie Ryan Kiros", "Geoffrey E. Hinton"),
    year=2016,
    venue="arXiv preprint",
    identifier="arXiv:1607.06450",
)


def initialiser(name: str) -> Initialiser:
    """Where the authors' code starts the parameter of that name."""
    kind = name.split("_")[0]
    starts = {"W": normal(0.01), "R": orthogonal(), "b": constant(0), "alpha": constant(1), "beta": constant(0)}
    return starts[kind]


layer_norm_lstm = Cell(
    name="layer_norm_lstm",
    aliases=("ln_lstm",),
    step=step_lstm,
    Params=LSTMParams,
    State=LSTMState,
    init={name: initialiser(name) for name in LSTMParams._fields},
    source=source,
    differs="the authors' code adds the bias before the norm and again after it, the paper and this cell after it; input "
    "matrices start from N(0, 0.01²) also where they are square, orthogonal in the code; 10⁻⁵ under the root is the code's",
)
layer_norm_gru = Cell(
    name="layer_norm_gru",
    aliases=("ln_gru",),
    step=step_gru,
    Params=GRUParams,
    State=GRUState,
    init={name: initialiser(name) for name in GRUParams._fields},
    source=source,
    differs="the sign of z is the paper's as we remember it, opposite to the authors' code; the code adds a bias to the input part "
    "before the norm; input matrices start from N(0, 0.01²) also where they are square, orthogonal in the code; 10⁻⁵ under the "
    "root is the code's",
)
