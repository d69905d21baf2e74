"""LSTM with a forget gate.

    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)         input gate
    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)         forget gate
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)      candidate
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)         output gate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = o_t ⊙ tanh(c_t)

Source: Gers, Schmidhuber and Cummins, "Learning to Forget: Continual Prediction with LSTM", Neural Computation 12(10), 2000.
Differs: both squashing functions are tanh, one cell a block, and every parameter starts uniform within ±1/√H, biases
included, as in torch.nn.LSTM; the gradient runs through all connections.
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
    """x_t and the state before it -> h_t and the state after it."""
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    c_t = f_t * c_tm1 + i_t * g_t
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


lstm = Cell(
    name="lstm",
    step=step,
    Params=Params,
    State=State,
    init={name: uniform_hidden() for name in Params._fields},
    source=Source(
        title="Learning to Forget: Continual Prediction with LSTM",
        authors=("Felix A. Gers", "Jürgen Schmidhuber", "Fred Cummins"),
        year=2000,
        venue="Neural Computation 12(10):2451-2471",
        identifier="doi:10.1162/089976600300015015",
    ),
    differs="both squashing functions are tanh, one cell a block, and all parameters start uniform within ±1/√H, as in "
    "torch.nn.LSTM; the gradient runs through all connections",
)
