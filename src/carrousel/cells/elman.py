"""Elman's simple recurrent network, with tanh and with a rectifier.

    h_t = tanh(W x_t + R h_{t-1} + b)            elman
    h_t = relu(W x_t + R h_{t-1} + b)            elman_relu

Source: Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990.
Differs: tanh (or a rectifier) in place of the logistic function, an initial state of 0 in place of 0.5, and uniform
initialisation, all as in torch.nn.RNN; the gradient runs through all time steps, where Elman cut it at one.
"""

from typing import NamedTuple

from torch import relu, tanh

from carrousel.cell import Cell, Float, Source, Tensor, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    R: Float[Tensor, "H H"]
    b: Float[Tensor, " H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    (h_tm1,) = s
    h_t = tanh(p.W @ x_t + p.R @ h_tm1 + p.b)
    return h_t, State(h_t)


def step_relu(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """The same with a rectifier."""
    (h_tm1,) = s
    h_t = relu(p.W @ x_t + p.R @ h_tm1 + p.b)
    return h_t, State(h_t)


source = Source(
    title="Finding Structure in Time",
    authors=("Jeffrey L. Elman",),
    year=1990,
    venue="Cognitive Science 14(2):179-211",
    identifier="doi:10.1207/s15516709cog1402_1",
)
init = {name: uniform_hidden() for name in Params._fields}

elman = Cell(
    name="elman",
    aliases=("srn", "rnn"),
    step=step,
    Params=Params,
    State=State,
    init=init,
    source=source,
    differs="tanh instead of the logistic function, initial state 0 instead of 0.5, uniform initialisation, and the "
    "gradient through all time steps, as in torch.nn.RNN",
)
elman_relu = Cell(
    name="elman_relu",
    aliases=("srn_relu", "rnn_relu"),
    step=step_relu,
    Params=Params,
    State=State,
    init=init,
    source=source,
    differs="a rectifier instead of the logistic function, initial state 0 instead of 0.5, uniform initialisation, and "
    "the gradient through all time steps, as in torch.nn.RNN(nonlinearity='relu')",
)
