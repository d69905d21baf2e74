"""LSTM with peepholes and two projections of the cell output: one that is fed back, one that only goes forward.

    i_t = σ(W_i x_t + R_i r_{t-1} + p_i ⊙ c_{t-1} + b_i)         input gate
    f_t = σ(W_f x_t + R_f r_{t-1} + p_f ⊙ c_{t-1} + b_f)         forget gate
    g_t = tanh(W_g x_t + R_g r_{t-1} + b_g)                      cell input
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o r_{t-1} + p_o ⊙ c_t + b_o)             output gate, sees the new cell state
    m_t = o_t ⊙ tanh(c_t)                                        cell output
    r_t = W_rm m_t                                               recurrent projection
    p_t = W_pm m_t                                               non-recurrent projection

The output is [r_t; p_t]. `lstm_projected` is the form of torch.nn.LSTM(proj_size=...), without peepholes and without p_t.

Source: Sak, Senior and Beaufays, "Long Short-Term Memory Based Recurrent Neural Network Architectures for Large
Vocabulary Speech Recognition", arXiv:1402.1128, 2014, section 2.2.
Differs: both projections are put out for the layer above to weigh, which the paper does in its output layer; all parameters
start uniform within ±1/√H, as in torch, where the authors draw, as we remember it, from ±0.02.
"""

from typing import NamedTuple

from torch import cat, sigmoid, tanh

from carrousel.cell import Cell, Float, Option, Sizes, Source, Tensor, uniform_hidden


class State(NamedTuple):
    r: Float[Tensor, " P"]  # recurrent projection
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel


class Params(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H P"]
    p_i: Float[Tensor, " H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H P"]
    p_f: Float[Tensor, " H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H P"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H P"]
    p_o: Float[Tensor, " H"]
    b_o: Float[Tensor, " H"]
    W_rm: Float[Tensor, "P H"]
    W_pm: Float[Tensor, "F H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " O"], State]:
    """x_t and the state before it -> both projections and the state after it."""
    r_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ r_tm1 + p.p_i * c_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ r_tm1 + p.p_f * c_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ r_tm1 + p.b_g)
    c_t = f_t * c_tm1 + i_t * g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ r_tm1 + p.p_o * c_t + p.b_o)
    m_t = o_t * tanh(c_t)
    r_t = p.W_rm @ m_t
    p_t = p.W_pm @ m_t
    return cat([r_t, p_t]), State(r_t, c_t)


def _half(sizes: Sizes) -> int:
    return max(1, sizes["H"] // 2)


lstmp = Cell(
    name="lstmp",
    step=step,
    Params=Params,
    State=State,
    output="O",
    options={
        "P": Option("proj_size", _half, "size of the recurrent projection"),
        "F": Option("forward_size", lambda sizes: sizes["P"], "size of the projection that is not fed back"),
    },
    derived={"O": lambda sizes: sizes["P"] + sizes["F"]},
    init={name: uniform_hidden() for name in Params._fields},
    source=Source(
        title="Long Short-Term Memory Based Recurrent Neural Network Architectures for Large Vocabulary Speech Recognition",
        authors=("Haşim Sak", "Andrew Senior", "Françoise Beaufays"),
        year=2014,
        venue="arXiv preprint",
        identifier="arXiv:1402.1128",
    ),
    differs="both projections are put out, side by side; all parameters start uniform within ±1/√H, as in torch (the authors', "
    "as we remember it, within ±0.02)",
)
