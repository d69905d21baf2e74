"""The LSTM of 1997: memory-cell blocks, input and output gates, no forget gate, gates that feed back.

    i_t = σ(W_i x_t + R_i y_{t-1} + Q_ii i_{t-1} + Q_io o_{t-1} + b_i)         input gate, one a block
    o_t = σ(W_o x_t + R_o y_{t-1} + Q_oi i_{t-1} + Q_oo o_{t-1} + b_o)         output gate, one a block
    g_t = g(W_g x_t + R_g y_{t-1} + Q_gi i_{t-1} + Q_go o_{t-1} + b_g)         cell input, g(z) = 4σ(z) - 2
    s_t = s_{t-1} + i_t ⊙ g_t                                                  the constant error carrousel
    y_t = o_t ⊙ h(s_t)                                                         cell output, h(z) = 2σ(z) - 1

A block is S cells that share their gates: i_t and o_t have one element a block (N), s_t and y_t are N by S.

Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, equations 1-8.
Differs: every unit reads its sources at the time steps written above (the paper delays the input by one step); cell
inputs have biases, which the paper's experiments switch on or off by task (freeze `b_g` for none).
"""

from typing import NamedTuple

from torch import sigmoid

from carrousel.cell import Cell, Float, Option, Source, Tensor, quotient, staggered, uniform


class State(NamedTuple):
    s: Float[Tensor, "N S"]  # internal state of the cells, the constant error carrousel
    y: Float[Tensor, "N S"]  # cell outputs, also the output
    i: Float[Tensor, " N"]  # input gates
    o: Float[Tensor, " N"]  # output gates


class Params(NamedTuple):
    W_i: Float[Tensor, "N D"]
    R_i: Float[Tensor, "N H"]
    Q_ii: Float[Tensor, "N N"]
    Q_io: Float[Tensor, "N N"]
    b_i: Float[Tensor, " N"]
    W_o: Float[Tensor, "N D"]
    R_o: Float[Tensor, "N H"]
    Q_oi: Float[Tensor, "N N"]
    Q_oo: Float[Tensor, "N N"]
    b_o: Float[Tensor, " N"]
    W_g: Float[Tensor, "N S D"]
    R_g: Float[Tensor, "N S H"]
    Q_gi: Float[Tensor, "N S N"]
    Q_go: Float[Tensor, "N S N"]
    b_g: Float[Tensor, "N S"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> all cell outputs, block by block, and the state after it."""
    s_tm1, y_tm1, i_tm1, o_tm1 = s
    h_tm1 = y_tm1.flatten()
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.Q_ii @ i_tm1 + p.Q_io @ o_tm1 + p.b_i)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.Q_oi @ i_tm1 + p.Q_oo @ o_tm1 + p.b_o)
    g_t = 4 * sigmoid(p.W_g @ x_t + p.R_g @ h_tm1 + p.Q_gi @ i_tm1 + p.Q_go @ o_tm1 + p.b_g) - 2
    s_t = s_tm1 + i_t[:, None] * g_t
    y_t = o_t[:, None] * (2 * sigmoid(s_t) - 1)
    return y_t.flatten(), State(s_t, y_t, i_t, o_t)


lstm_1997 = Cell(
    name="lstm_1997",
    aliases=("lstm97", "original_lstm"),
    step=step,
    Params=Params,
    State=State,
    options={"S": Option("block_size", lambda _: 1, "memory cells in a block, which share their gates")},
    derived={"N": quotient("H", "S")},
    init={name: uniform(0.2) for name in Params._fields} | {"b_o": staggered(-1.0, -1.0)},
    source=Source(
        title="Long Short-Term Memory",
        authors=("Sepp Hochreiter", "Jürgen Schmidhuber"),
        year=1997,
        venue="Neural Computation 9(8):1735-1780",
        identifier="doi:10.1162/neco.1997.9.8.1735",
    ),
    differs="the input is read in the same time step, not one later; initialised as in the paper's experiment 1, with "
    "a bias on the cell inputs (freeze b_g for none); the gradient runs through all connections",
)
