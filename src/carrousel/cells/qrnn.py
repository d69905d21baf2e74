"""Quasi-recurrent networks: convolutions over the input make the gates, and pooling unit by unit is all that recurs.

Each step carries its own equations. The convolutions are causal and of width 2, or of width 1 in the cells named so. What
the last input adds to this step, V_z x_{t-1} and so on, is kept in the state, so that every matrix product reads x_t alone.

Source: Bradbury, Merity, Xiong and Socher, "Quasi-Recurrent Neural Networks", ICLR 2017, section 2.1.
Differs: convolutions have biases, and all parameters start uniform within ±1/√(kD) for width k, both as in the authors'
code; that code turns the forget gate round (its f is 1 - f here); the state carries V x_{t-1} in place of x_{t-1}.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, uniform_by


class FParams(NamedTuple):
    V_z: Float[Tensor, "H D"]  # V reads x_{t-1}, W reads x_t
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    V_f: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]


class FState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    v_z: Float[Tensor, " H"]  # V_z x_{t-1}
    v_f: Float[Tensor, " H"]  # V_f x_{t-1}


def qrnn_f_step(p: FParams, x_t: Float[Tensor, " D"], s: FState) -> tuple[Float[Tensor, " H"], FState]:
    """QRNN with f-pooling: a running average.

    z_t = tanh(V_z x_{t-1} + W_z x_t + b_z)              candidate
    f_t = σ(V_f x_{t-1} + W_f x_t + b_f)                 forget gate
    h_t = f_t ⊙ h_{t-1} + (1 - f_t) ⊙ z_t
    """
    h_tm1, v_z, v_f = s
    z_t = tanh(v_z + p.W_z @ x_t + p.b_z)
    f_t = sigmoid(v_f + p.W_f @ x_t + p.b_f)
    h_t = f_t * h_tm1 + (1 - f_t) * z_t
    return h_t, FState(h_t, p.V_z @ x_t, p.V_f @ x_t)


class FOParams(NamedTuple):
    V_z: Float[Tensor, "H D"]
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    V_f: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    V_o: Float[Tensor, "H D"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]


class FOState(NamedTuple):
    c: Float[Tensor, " H"]  # cell state
    v_z: Float[Tensor, " H"]  # V_z x_{t-1}
    v_f: Float[Tensor, " H"]  # V_f x_{t-1}
    v_o: Float[Tensor, " H"]  # V_o x_{t-1}


def qrnn_fo_step(p: FOParams, x_t: Float[Tensor, " D"], s: FOState) -> tuple[Float[Tensor, " H"], FOState]:
    """QRNN with fo-pooling: a running average behind an output gate.

    z_t = tanh(V_z x_{t-1} + W_z x_t + b_z)              candidate
    f_t = σ(V_f x_{t-1} + W_f x_t + b_f)                 forget gate
    o_t = σ(V_o x_{t-1} + W_o x_t + b_o)                 output gate
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ z_t
    h_t = o_t ⊙ c_t
    """
    c_tm1, v_z, v_f, v_o = s
    z_t = tanh(v_z + p.W_z @ x_t + p.b_z)
    f_t = sigmoid(v_f + p.W_f @ x_t + p.b_f)
    o_t = sigmoid(v_o + p.W_o @ x_t + p.b_o)
    c_t = f_t * c_tm1 + (1 - f_t) * z_t
    h_t = o_t * c_t
    return h_t, FOState(c_t, p.V_z @ x_t, p.V_f @ x_t, p.V_o @ x_t)


class IFOParams(NamedTuple):
    V_z: Float[Tensor, "H D"]
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    V_f: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    V_o: Float[Tensor, "H D"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]
    V_i: Float[Tensor, "H D"]
    W_i: Float[Tensor, "H D"]
    b_i: Float[Tensor, " H"]


class IFOState(NamedTuple):
    c: Float[Tensor, " H"]  # cell state
    v_z: Float[Tensor, " H"]  # V_z x_{t-1}
    v_f: Float[Tensor, " H"]  # V_f x_{t-1}
    v_o: Float[Tensor, " H"]  # V_o x_{t-1}
    v_i: Float[Tensor, " H"]  # V_i x_{t-1}


def qrnn_ifo_step(p: IFOParams, x_t: Float[Tensor, " D"], s: IFOState) -> tuple[Float[Tensor, " H"], IFOState]:
    """QRNN with ifo-pooling: forget and input gate apart.

    z_t = tanh(V_z x_{t-1} + W_z x_t + b_z)              candidate
    f_t = σ(V_f x_{t-1} + W_f x_t + b_f)                 forget gate
    o_t = σ(V_o x_{t-1} + W_o x_t + b_o)                 output gate
    i_t = σ(V_i x_{t-1} + W_i x_t + b_i)                 input gate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ z_t
    h_t = o_t ⊙ c_t
    """
    c_tm1, v_z, v_f, v_o, v_i = s
    z_t = tanh(v_z + p.W_z @ x_t + p.b_z)
    f_t = sigmoid(v_f + p.W_f @ x_t + p.b_f)
    o_t = sigmoid(v_o + p.W_o @ x_t + p.b_o)
    i_t = sigmoid(v_i + p.W_i @ x_t + p.b_i)
    c_t = f_t * c_tm1 + i_t * z_t
    h_t = o_t * c_t
    return h_t, IFOState(c_t, p.V_z @ x_t, p.V_f @ x_t, p.V_o @ x_t, p.V_i @ x_t)


class FWidth1Params(NamedTuple):
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]


class FWidth1State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


def qrnn_f_width_1_step(
    p: FWidth1Params, x_t: Float[Tensor, " D"], s: FWidth1State
) -> tuple[Float[Tensor, " H"], FWidth1State]:
    """QRNN with f-pooling and convolutions of width 1.

    z_t = tanh(W_z x_t + b_z)                            candidate
    f_t = σ(W_f x_t + b_f)                               forget gate
    h_t = f_t ⊙ h_{t-1} + (1 - f_t) ⊙ z_t
    """
    (h_tm1,) = s
    z_t = tanh(p.W_z @ x_t + p.b_z)
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    h_t = f_t * h_tm1 + (1 - f_t) * z_t
    return h_t, FWidth1State(h_t)


class FOWidth1Params(NamedTuple):
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]


class CellState(NamedTuple):
    c: Float[Tensor, " H"]  # cell state


def qrnn_fo_width_1_step(
    p: FOWidth1Params, x_t: Float[Tensor, " D"], s: CellState
) -> tuple[Float[Tensor, " H"], CellState]:
    """QRNN with fo-pooling and convolutions of width 1.

    z_t = tanh(W_z x_t + b_z)                            candidate
    f_t = σ(W_f x_t + b_f)                               forget gate
    o_t = σ(W_o x_t + b_o)                               output gate
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ z_t
    h_t = o_t ⊙ c_t
    """
    (c_tm1,) = s
    z_t = tanh(p.W_z @ x_t + p.b_z)
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    o_t = sigmoid(p.W_o @ x_t + p.b_o)
    c_t = f_t * c_tm1 + (1 - f_t) * z_t
    h_t = o_t * c_t
    return h_t, CellState(c_t)


class IFOWidth1Params(NamedTuple):
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]
    W_i: Float[Tensor, "H D"]
    b_i: Float[Tensor, " H"]


def qrnn_ifo_width_1_step(
    p: IFOWidth1Params, x_t: Float[Tensor, " D"], s: CellState
) -> tuple[Float[Tensor, " H"], CellState]:
    """QRNN with ifo-pooling and convolutions of width 1.

    z_t = tanh(W_z x_t + b_z)                            candidate
    f_t = σ(W_f x_t + b_f)                               forget gate
    o_t = σ(W_o x_t + b_o)                               output gate
    i_t = σ(W_i x_t + b_i)                               input gate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ z_t
    h_t = o_t ⊙ c_t
    """
    (c_tm1,) = s
    z_t = tanh(p.W_z @ x_t + p.b_z)
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    o_t = sigmoid(p.W_o @ x_t + p.b_o)
    i_t = sigmoid(p.W_i @ x_t + p.b_i)
    c_t = f_t * c_tm1 + i_t * z_t
    h_t = o_t * c_t
    return h_t, CellState(c_t)


source = Source(
    title="Quasi-Recurrent Neural Networks",
    authors=("James Bradbury", "Stephen Merity", "Caiming Xiong", "Richard Socher"),
    year=2016,
    venue="arXiv preprint; International Conference on Learning Representations (ICLR) 2017",
    identifier="arXiv:1611.01576",
)
wide = (
    "biases, and parameters that start uniform within ±1/√(2D), as in the authors' code, which turns the forget gate round "
    "(its f is 1 - f here); the state carries V x of the last input in place of the input"
)
narrow = (
    "biases, and parameters that start uniform within ±1/√D, as in the authors' code, which turns the forget gate round "
    "(its f is 1 - f here)"
)
by_width_2, by_width_1 = uniform_by("D", 0.5**0.5), uniform_by("D", 1.0)

qrnn_f = Cell(
    name="qrnn_f",
    step=qrnn_f_step,
    Params=FParams,
    State=FState,
    init=dict.fromkeys(FParams._fields, by_width_2),
    source=source,
    differs=wide,
)
qrnn_fo = Cell(
    name="qrnn_fo",
    aliases=("qrnn",),
    step=qrnn_fo_step,
    Params=FOParams,
    State=FOState,
    init=dict.fromkeys(FOParams._fields, by_width_2),
    source=source,
    differs=wide,
)
qrnn_ifo = Cell(
    name="qrnn_ifo",
    step=qrnn_ifo_step,
    Params=IFOParams,
    State=IFOState,
    init=dict.fromkeys(IFOParams._fields, by_width_2),
    source=source,
    differs=wide,
)
qrnn_f_width_1 = Cell(
    name="qrnn_f_width_1",
    step=qrnn_f_width_1_step,
    Params=FWidth1Params,
    State=FWidth1State,
    init=dict.fromkeys(FWidth1Params._fields, by_width_1),
    source=source,
    differs=narrow,
)
qrnn_fo_width_1 = Cell(
    name="qrnn_fo_width_1",
    step=qrnn_fo_width_1_step,
    Params=FOWidth1Params,
    State=CellState,
    init=dict.fromkeys(FOWidth1Params._fields, by_width_1),
    source=source,
    differs=narrow,
)
qrnn_ifo_width_1 = Cell(
    name="qrnn_ifo_width_1",
    step=qrnn_ifo_width_1_step,
    Params=IFOWidth1Params,
    State=CellState,
    init=dict.fromkeys(IFOWidth1Params._fields, by_width_1),
    source=source,
    differs=narrow,
)
