"""GRU whose reset gate acts before the recurrent matrix; `gru_reset_after` is the other definition of the same name.

    r_t = σ(W_r x_t + R_r h_{t-1} + b_r)                 reset gate
    z_t = σ(W_z x_t + R_z h_{t-1} + b_z)                 update gate
    n_t = tanh(W_n x_t + R_n (r_t ⊙ h_{t-1}) + b_n)      candidate
    h_t = (1 - z_t) ⊙ n_t + z_t ⊙ h_{t-1}

Source: Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk and Bengio, "Learning Phrase Representations using RNN
Encoder-Decoder for Statistical Machine Translation", EMNLP 2014, arXiv:1406.1078v3, equations 5-8.
Differs: biases, which the paper leaves out, and all parameters start uniform within ±1/√H.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class Params(NamedTuple):
    W_r: Float[Tensor, "H D"]
    R_r: Float[Tensor, "H H"]
    b_r: Float[Tensor, " H"]
    W_z: Float[Tensor, "H D"]
    R_z: Float[Tensor, "H H"]
    b_z: Float[Tensor, " H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    b_n: Float[Tensor, " H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    (h_tm1,) = s
    r_t = sigmoid(p.W_r @ x_t + p.R_r @ h_tm1 + p.b_r)
    z_t = sigmoid(p.W_z @ x_t + p.R_z @ h_tm1 + p.b_z)
    n_t = tanh(p.W_n @ x_t + p.R_n @ (r_t * h_tm1) + p.b_n)
    h_t = (1 - z_t) * n_t + z_t * h_tm1
    return h_t, State(h_t)


gru_reset_before = Cell(
    name="gru_reset_before",
    aliases=("gru_v3",),
    step=step,
    Params=Params,
    State=State,
    init={name: uniform_hidden() for name in Params._fields},
    source=Source(
        title="Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
        authors=(
            "Kyunghyun Cho", "Bart van Merriënboer", "Caglar Gulcehre", "Dzmitry Bahdanau", "Fethi Bougares",
            "Holger Schwenk", "Yoshua Bengio",
        ),
        year=2014,
        venue="Proceedings of EMNLP 2014; version 3 of the preprint",
        identifier="arXiv:1406.1078v3",
    ),
    differs="has biases, and all parameters start uniform within ±1/√H; see gru_reset_after for version 1 of the paper",
)  # fmt: skip
