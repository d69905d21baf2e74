"""LSTM with forget gate and peepholes: the gates look at the cell state.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)         input gate
    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)         forget gate
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)                      candidate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)             output gate, sees the new cell state
    h_t = o_t ⊙ tanh(c_t)

Source: Gers and Schmidhuber, "Recurrent Nets that Time and Count", IJCNN 2000, volume 3.
Differs: both squashing functions are tanh, one cell a block, and all parameters start uniform within ±1/√H; the
gradient runs through all connections.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel


class Params(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    p_i: Float[Tensor, " H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    p_f: Float[Tensor, " H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    p_o: Float[Tensor, " H"]
    b_o: Float[Tensor, " H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.p_i * c_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.p_f * c_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = f_t * c_tm1 + i_t * g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.p_o * c_t + p.b_o)
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


peephole_lstm = Cell(
    name="peephole_lstm",
    aliases=("peephole",),
    step=step,
    Params=Params,
    State=State,
    init={name: uniform_hidden() for name in Params._fields},
    source=Source(
        title="Recurrent Nets that Time and Count",
        authors=("Felix A. Gers", "Jürgen Schmidhuber"),
        year=2000,
        venue="Proceedings of the IEEE-INNS-ENNS International Joint Conference on Neural Networks (IJCNN), volume 3",
        identifier="doi:10.1109/IJCNN.2000.861302",
    ),
    differs="both squashing functions are tanh, one cell a block, and all parameters start uniform within ±1/√H; the "
    "gradient runs through all connections",
)
