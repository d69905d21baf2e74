"""Strongly-typed cells: the state is only ever averaged, scaled or rectified unit by unit, never multiplied by a matrix.

Each step carries its own equations. The cells that look at two inputs (t_lstm, t_gru) keep what the last input adds to
this step, V_z x_{t-1}, V_f x_{t-1} and V_o x_{t-1}, in their state, so that every matrix product reads x_t alone.

Source: Balduzzi and Ghifary, "Strongly-Typed Recurrent Neural Networks", ICML 2016, sections 3.2 and 3.3 and theorem 3.
Differs: all parameters start uniform within ±1/√H, where the paper does not say; t_lstm and t_gru carry V x_{t-1} in place of
x_{t-1}; t_mr names the paper's b and c, recurrent weight and bias, u and b.
"""

from typing import NamedTuple

from torch import relu, sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class TRNNParams(NamedTuple):
    W_z: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]


def t_rnn_step(p: TRNNParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """T-RNN: a running average of linear images of the input, with a gate for its speed.

    z_t = W_z x_t                                        candidate, without a bias
    f_t = σ(W_f x_t + b_f)                               forget gate
    h_t = f_t ⊙ h_{t-1} + (1 - f_t) ⊙ z_t
    """
    (h_tm1,) = s
    z_t = p.W_z @ x_t
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    h_t = f_t * h_tm1 + (1 - f_t) * z_t
    return h_t, State(h_t)


class TwoInputParams(NamedTuple):
    V_z: Float[Tensor, "H D"]  # V reads x_{t-1}, W reads x_t
    W_z: Float[Tensor, "H D"]
    b_z: Float[Tensor, " H"]
    V_f: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    V_o: Float[Tensor, "H D"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]


class TLSTMState(NamedTuple):
    c: Float[Tensor, " H"]  # cell state, a running average
    v_z: Float[Tensor, " H"]  # V_z x_{t-1}
    v_f: Float[Tensor, " H"]  # V_f x_{t-1}
    v_o: Float[Tensor, " H"]  # V_o x_{t-1}


def t_lstm_step(p: TwoInputParams, x_t: Float[Tensor, " D"], s: TLSTMState) -> tuple[Float[Tensor, " H"], TLSTMState]:
    """T-LSTM: gates that look at two inputs, a coupled forget gate, and an output that is not squashed.

    z_t = V_z x_{t-1} + W_z x_t + b_z                    candidate, linear
    f_t = σ(V_f x_{t-1} + W_f x_t + b_f)                 forget gate
    o_t = tanh(V_o x_{t-1} + W_o x_t + b_o)              output gate, of either sign
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ z_t
    h_t = c_t ⊙ o_t
    """
    c_tm1, v_z, v_f, v_o = s
    z_t = v_z + p.W_z @ x_t + p.b_z
    f_t = sigmoid(v_f + p.W_f @ x_t + p.b_f)
    o_t = tanh(v_o + p.W_o @ x_t + p.b_o)
    c_t = f_t * c_tm1 + (1 - f_t) * z_t
    h_t = c_t * o_t
    return h_t, TLSTMState(c_t, p.V_z @ x_t, p.V_f @ x_t, p.V_o @ x_t)


class TGRUState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    v_z: Float[Tensor, " H"]  # V_z x_{t-1}
    v_f: Float[Tensor, " H"]  # V_f x_{t-1}
    v_o: Float[Tensor, " H"]  # V_o x_{t-1}


def t_gru_step(p: TwoInputParams, x_t: Float[Tensor, " D"], s: TGRUState) -> tuple[Float[Tensor, " H"], TGRUState]:
    """T-GRU: gates that look at two inputs; what is forgotten and what is added are not coupled.

    z_t = V_z x_{t-1} + W_z x_t + b_z                    candidate, linear
    f_t = σ(V_f x_{t-1} + W_f x_t + b_f)                 forget gate
    o_t = tanh(V_o x_{t-1} + W_o x_t + b_o)              gate of the candidate, of either sign
    h_t = f_t ⊙ h_{t-1} + z_t ⊙ o_t
    """
    h_tm1, v_z, v_f, v_o = s
    z_t = v_z + p.W_z @ x_t + p.b_z
    f_t = sigmoid(v_f + p.W_f @ x_t + p.b_f)
    o_t = tanh(v_o + p.W_o @ x_t + p.b_o)
    h_t = f_t * h_tm1 + z_t * o_t
    return h_t, TGRUState(h_t, p.V_z @ x_t, p.V_f @ x_t, p.V_o @ x_t)


class TMRParams(NamedTuple):
    W: Float[Tensor, "H D"]
    u: Float[Tensor, " H"]  # the paper's b
    b: Float[Tensor, " H"]  # the paper's c


def t_mr_step(p: TMRParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """T-MR: the minimal strongly-typed network that is as expressive as a feedforward one; IndRNN two years earlier.

    h_t = relu(u ⊙ h_{t-1} + W x_t + b)
    """
    (h_tm1,) = s
    h_t = relu(p.u * h_tm1 + p.W @ x_t + p.b)
    return h_t, State(h_t)


source = Source(
    title="Strongly-Typed Recurrent Neural Networks",
    authors=("David Balduzzi", "Muhammad Ghifary"),
    year=2016,
    venue="Proceedings of the 33rd International Conference on Machine Learning (ICML), PMLR 48",
    identifier="arXiv:1602.02218",
)
initialised = "all parameters start uniform within ±1/√H, where the paper does not say"

t_rnn = Cell(
    name="t_rnn",
    aliases=("strongly_typed_rnn",),
    step=t_rnn_step,
    Params=TRNNParams,
    State=State,
    init={name: uniform_hidden() for name in TRNNParams._fields},
    source=source,
    differs=initialised,
)
t_lstm = Cell(
    name="t_lstm",
    aliases=("strongly_typed_lstm",),
    step=t_lstm_step,
    Params=TwoInputParams,
    State=TLSTMState,
    init={name: uniform_hidden() for name in TwoInputParams._fields},
    source=source,
    differs=f"{initialised}; the state carries V_z x, V_f x and V_o x of the last input in place of the input",
)
t_gru = Cell(
    name="t_gru",
    aliases=("strongly_typed_gru",),
    step=t_gru_step,
    Params=TwoInputParams,
    State=TGRUState,
    init={name: uniform_hidden() for name in TwoInputParams._fields},
    source=source,
    differs=f"{initialised}; the state carries V_z x, V_f x and V_o x of the last input in place of the input",
)
t_mr = Cell(
    name="t_mr",
    aliases=("strongly_typed_minimal_rnn",),
    step=t_mr_step,
    Params=TMRParams,
    State=State,
    init={name: uniform_hidden() for name in TMRParams._fields},
    source=source,
    differs=f"{initialised}; the paper's b and c, recurrent weight and bias, are called u and b",
)
