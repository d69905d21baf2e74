"""GRU whose reset gate acts after the recurrent matrix; `gru_reset_before` is the other definition of the same name.

    r_t = σ(W_r x_t + R_r h_{t-1} + b_r)                         reset gate
    z_t = σ(W_z x_t + R_z h_{t-1} + b_z)                         update gate
    n_t = tanh(W_n x_t + b_n + r_t ⊙ (R_n h_{t-1} + b_hn))       candidate
    h_t = (1 - z_t) ⊙ n_t + z_t ⊙ h_{t-1}

Source: Cho, van Merriënboer, Gulcehre, Bougares, Schwenk and Bengio, "Learning Phrase Representations using RNN
Encoder-Decoder for Statistical Machine Translation", arXiv:1406.1078v1, 2014.
Differs: biases, which the paper leaves out, and all parameters start uniform within ±1/√H, as in torch.nn.GRU.
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
    b_hn: Float[Tensor, " H"]  # inside the reset gate's product, so it cannot be merged with b_n


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    (h_tm1,) = s
    r_t = sigmoid(p.W_r @ x_t + p.R_r @ h_tm1 + p.b_r)
    z_t = sigmoid(p.W_z @ x_t + p.R_z @ h_tm1 + p.b_z)
    n_t = tanh(p.W_n @ x_t + p.b_n + r_t * (p.R_n @ h_tm1 + p.b_hn))
    h_t = (1 - z_t) * n_t + z_t * h_tm1
    return h_t, State(h_t)


gru_reset_after = Cell(
    name="gru_reset_after",
    aliases=("gru", "gru_v1"),
    step=step,
    Params=Params,
    State=State,
    init={name: uniform_hidden() for name in Params._fields},
    source=Source(
        title="Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
        authors=(
            "Kyunghyun Cho", "Bart van Merriënboer", "Caglar Gulcehre", "Fethi Bougares", "Holger Schwenk",
            "Yoshua Bengio",
        ),
        year=2014,
        venue="arXiv preprint, version 1",
        identifier="arXiv:1406.1078v1",
    ),
    differs="has biases, and all parameters start uniform within ±1/√H, as in torch.nn.GRU; see gru_reset_before for "
    "version 3 of the paper",
)  # fmt: skip
