"""LSTM with a recurrent projection: the state that is fed back, and put out, is a smaller linear image of the hidden one.

    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)         input gate
    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)         forget gate
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)      candidate
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)         output gate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    m_t = o_t ⊙ tanh(c_t)                        cell output
    h_t = W_hr m_t                               recurrent projection

Source: Sak, Senior and Beaufays, "Long Short-Term Memory Based Recurrent Neural Network Architectures for Large
Vocabulary Speech Recognition", arXiv:1402.1128, 2014.
Differs: no peepholes and no further non-recurrent projection (`lstmp` has both), and all parameters start uniform within
±1/√H, as in torch.nn.LSTM(proj_size=...).
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Option, Source, Tensor, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " P"]  # projected hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel


class Params(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H P"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H P"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H P"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H P"]
    b_o: Float[Tensor, " H"]
    W_hr: Float[Tensor, "P H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " P"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    c_t = f_t * c_tm1 + i_t * g_t
    m_t = o_t * tanh(c_t)
    h_t = p.W_hr @ m_t
    return h_t, State(h_t, c_t)


lstm_projected = Cell(
    name="lstm_projected",
    step=step,
    Params=Params,
    State=State,
    output="P",
    options={"P": Option("proj_size", lambda sizes: max(1, sizes["H"] // 2), "size of the recurrent projection")},
    init={name: uniform_hidden() for name in Params._fields},
    source=Source(
        title="Long Short-Term Memory Based Recurrent Neural Network Architectures for Large Vocabulary Speech Recognition",
        authors=("Haşim Sak", "Andrew Senior", "Françoise Beaufays"),
        year=2014,
        venue="arXiv preprint",
        identifier="arXiv:1402.1128",
    ),
    differs="no peepholes, no non-recurrent projection, and all parameters start uniform within ±1/√H, as in "
    "torch.nn.LSTM(proj_size=...)",
)
