"""The LSTM in which the forget gate appeared: memory-cell blocks with three gates, in the squashing functions of its time.

    i_t = σ(W_i x_t + R_i y_{t-1} + b_i)         input gate, one a block
    f_t = σ(W_f x_t + R_f y_{t-1} + b_f)         forget gate, one a block
    o_t = σ(W_o x_t + R_o y_{t-1} + b_o)         output gate, one a block
    g_t = g(W_g x_t + R_g y_{t-1})               cell input, g(z) = 4σ(z) - 2
    s_t = f_t ⊙ s_{t-1} + i_t ⊙ g_t              internal state
    y_t = o_t ⊙ h(s_t)                           cell output, h(z) = 2σ(z) - 1

A block is S cells that share their gates: i_t, f_t and o_t have one element a block (N), s_t and y_t are N by S.
`lstm` is the form of today, with tanh, one cell a block and a bias on the cell input; `lstm_1997` is the cell before it.

Source: Gers, Schmidhuber and Cummins, "Learning to Forget: Continual Prediction with LSTM", Neural Computation 12(10), 2000.
Differs: gates are not among the recurrent sources and cell inputs have no bias, as the paper's count of 424 weights implies;
weights start within ±0.2 and the gates' biases at ±0.5, ±1, ±1.5 ... by block, the paper's values as we remember them; the
gradient runs through all connections.
"""

from typing import NamedTuple

from torch import sigmoid

from carrousel.cell import Cell, Float, Option, Source, Tensor, quotient, staggered, uniform


class State(NamedTuple):
    s: Float[Tensor, "N S"]  # internal state of the cells, the constant error carrousel
    y: Float[Tensor, "N S"]  # cell outputs, also the output


class Params(NamedTuple):
    W_i: Float[Tensor, "N D"]
    R_i: Float[Tensor, "N H"]
    b_i: Float[Tensor, " N"]
    W_f: Float[Tensor, "N D"]
    R_f: Float[Tensor, "N H"]
    b_f: Float[Tensor, " N"]
    W_o: Float[Tensor, "N D"]
    R_o: Float[Tensor, "N H"]
    b_o: Float[Tensor, " N"]
    W_g: Float[Tensor, "N S D"]
    R_g: Float[Tensor, "N S H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> all cell outputs, block by block, and the state after it."""
    s_tm1, y_tm1 = s
    h_tm1 = y_tm1.flatten()
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = 4 * sigmoid(p.W_g @ x_t + p.R_g @ h_tm1) - 2
    s_t = f_t[:, None] * s_tm1 + i_t[:, None] * g_t
    y_t = o_t[:, None] * (2 * sigmoid(s_t) - 1)
    return y_t.flatten(), State(s_t, y_t)


gers_lstm = Cell(
    name="gers_lstm",
    aliases=("lstm_2000", "block_lstm"),
    step=step,
    Params=Params,
    State=State,
    options={"S": Option("block_size", lambda _: 1, "memory cells in a block, which share their gates")},
    derived={"N": quotient("H", "S")},
    init={name: uniform(0.2) for name in Params._fields}
    | {"b_i": staggered(-0.5, -0.5), "b_f": staggered(0.5, 0.5), "b_o": staggered(-0.5, -0.5)},
    source=Source(
        title="Learning to Forget: Continual Prediction with LSTM",
        authors=("Felix A. Gers", "Jürgen Schmidhuber", "Fred Cummins"),
        year=2000,
        venue="Neural Computation 12(10):2451-2471",
        identifier="doi:10.1162/089976600300015015",
    ),
    differs="gates are not among the recurrent sources and cell inputs have no bias, as the paper's count of 424 weights "
    "implies; the initial range and biases are the paper's as we remember them; the gradient runs through all connections",
)
