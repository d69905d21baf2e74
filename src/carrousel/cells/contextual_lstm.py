"""Contextual LSTM: a peephole LSTM that also reads a topic, at every gate.

    w_t = the first X elements of x_t                                                           word
    T_t = the last G elements of x_t                                                            topic
    i_t = σ(W_xi w_t + W_hi h_{t-1} + w_ci ⊙ c_{t-1} + b_i + W_Ti T_t)                          input gate
    f_t = σ(W_xf w_t + W_hf h_{t-1} + w_cf ⊙ c_{t-1} + b_f + W_Tf T_t)                          forget gate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ tanh(W_xc w_t + W_hc h_{t-1} + b_c + W_Tc T_t)
    o_t = σ(W_xo w_t + W_ho h_{t-1} + w_co ⊙ c_t + b_o + W_To T_t)                              output gate
    h_t = o_t ⊙ tanh(c_t)

The input of a step is the word's vector followed by the topic's, so that the topic may change when it likes: once a sentence, or
at every word. It is `peephole_lstm` on that input with the columns of its input matrices named.

Source: Ghosh, Vinyals, Strope, Roy, Dean and Heck, "Contextual LSTM (CLSTM) Models for Large Scale NLP Tasks", arXiv:1602.06291,
2016.
Differs: all parameters start uniform within ±1/√H, on which the paper is silent; the equations are written from the paper's account
of a peephole LSTM with a topic term in every gate, not compared with its print.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Option, Sizes, Source, Tensor, uniform_hidden
from carrousel.errors import ConfigError


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel


class Params(NamedTuple):
    W_xi: Float[Tensor, "H X"]
    W_hi: Float[Tensor, "H H"]
    w_ci: Float[Tensor, " H"]
    b_i: Float[Tensor, " H"]
    W_Ti: Float[Tensor, "H G"]
    W_xf: Float[Tensor, "H X"]
    W_hf: Float[Tensor, "H H"]
    w_cf: Float[Tensor, " H"]
    b_f: Float[Tensor, " H"]
    W_Tf: Float[Tensor, "H G"]
    W_xc: Float[Tensor, "H X"]
    W_hc: Float[Tensor, "H H"]
    b_c: Float[Tensor, " H"]
    W_Tc: Float[Tensor, "H G"]
    W_xo: Float[Tensor, "H X"]
    W_ho: Float[Tensor, "H H"]
    w_co: Float[Tensor, " H"]
    b_o: Float[Tensor, " H"]
    W_To: Float[Tensor, "H G"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t, which is [word; topic], and the state before it -> h_t and the state after it."""
    h_tm1, c_tm1 = s
    w_t = x_t[: p.W_xi.shape[1]]
    T_t = x_t[p.W_xi.shape[1] :]
    i_t = sigmoid(p.W_xi @ w_t + p.W_hi @ h_tm1 + p.w_ci * c_tm1 + p.b_i + p.W_Ti @ T_t)
    f_t = sigmoid(p.W_xf @ w_t + p.W_hf @ h_tm1 + p.w_cf * c_tm1 + p.b_f + p.W_Tf @ T_t)
    c_t = f_t * c_tm1 + i_t * tanh(p.W_xc @ w_t + p.W_hc @ h_tm1 + p.b_c + p.W_Tc @ T_t)
    o_t = sigmoid(p.W_xo @ w_t + p.W_ho @ h_tm1 + p.w_co * c_t + p.b_o + p.W_To @ T_t)
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


def word_size(sizes: Sizes) -> int:
    """What the topic leaves of the input."""
    if not 1 <= sizes["G"] < sizes["D"]:
        raise ConfigError(
            f"input_size={sizes['D']} and topic_size={sizes['G']}, expected a topic of at least 1 element and an input with "
            "more elements than the topic: x_t is [word; topic]. Choose input_size = word size + topic_size."
        )
    return sizes["D"] - sizes["G"]


contextual_lstm = Cell(
    name="contextual_lstm",
    aliases=("clstm",),
    step=step,
    Params=Params,
    State=State,
    options={"G": Option("topic_size", lambda _: 1, "elements of x_t, its last, that are the topic")},
    derived={"X": word_size},
    init={name: uniform_hidden() for name in Params._fields},
    source=Source(
        title="Contextual LSTM (CLSTM) Models for Large Scale NLP Tasks",
        authors=("Shalini Ghosh", "Oriol Vinyals", "Brian Strope", "Scott Roy", "Tom Dean", "Larry Heck"),
        year=2016,
        venue="arXiv preprint",
        identifier="arXiv:1602.06291",
    ),
    differs="the topic is the end of the input vector; all parameters start uniform within ±1/√H, on which the paper is silent; "
    "the equations are a peephole LSTM with a topic term in every gate, not compared with the paper's print",
)
