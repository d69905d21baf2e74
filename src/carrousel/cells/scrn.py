"""SCRN: an ordinary hidden layer beside context units that change slowly.

Each step carries its own equations. The output is the hidden units followed by the context units, [h_t; s_t], of which the paper's
prediction is a linear map: U h_t + V s_t.

Source: Mikolov, Joulin, Chopra, Mathieu and Ranzato, "Learning Longer Memory in Recurrent Neural Networks", arXiv:1412.7753, 2014;
ICLR 2015 workshop.
Differs: the initial state is 0, 0.1 in the authors' code; matrices start uniform within ±1/√H; the number of context units, free in
the paper, is 40 % of the hidden units unless chosen, as in its network of 100 and 40.
"""

from typing import NamedTuple

import torch
from torch import sigmoid

from carrousel.cell import Cell, Float, Option, Sizes, Source, Tensor, constant, uniform_between, uniform_hidden


class State(NamedTuple):
    s: Float[Tensor, " P"]  # context units
    h: Float[Tensor, " H"]  # hidden units


class Params(NamedTuple):
    A: Float[Tensor, "H D"]
    B: Float[Tensor, "P D"]
    P: Float[Tensor, "H P"]
    R: Float[Tensor, "H H"]
    alpha: Float[Tensor, ""]  # how much of the context stays, fixed


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " O"], State]:
    """SCRN as in the paper: the hidden units read the new context. `scrn_previous_context` is the authors' code.

    s_t = (1 - α) (B x_t) + α s_{t-1}                    context, α = 0.95
    h_t = σ(P s_t + A x_t + R h_{t-1})                   hidden units
    y_t = [h_t; s_t]
    """
    s_tm1, h_tm1 = s
    s_t = (1 - p.alpha) * (p.B @ x_t) + p.alpha * s_tm1
    h_t = sigmoid(p.P @ s_t + p.A @ x_t + p.R @ h_tm1)
    y_t = torch.cat([h_t, s_t])
    return y_t, State(s_t, h_t)


def step_previous_context(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " O"], State]:
    """SCRN as in the authors' code: the hidden units read the context of the step before. `scrn` is the paper's.

    s_t = (1 - α) (B x_t) + α s_{t-1}
    h_t = σ(P s_{t-1} + A x_t + R h_{t-1})
    y_t = [h_t; s_t]
    """
    s_tm1, h_tm1 = s
    s_t = (1 - p.alpha) * (p.B @ x_t) + p.alpha * s_tm1
    h_t = sigmoid(p.P @ s_tm1 + p.A @ x_t + p.R @ h_tm1)
    y_t = torch.cat([h_t, s_t])
    return y_t, State(s_t, h_t)


class LearnedDecayParams(NamedTuple):
    A: Float[Tensor, "H D"]
    B: Float[Tensor, "P D"]
    P: Float[Tensor, "H P"]
    R: Float[Tensor, "H H"]
    beta: Float[Tensor, " P"]


def step_learned_decay(p: LearnedDecayParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " O"], State]:
    """SCRN with a learned decay for each context unit (the paper's diagonal matrix Q).

    q_t = σ(β)                                           decay, the same at every step
    s_t = (1 - q_t) ⊙ (B x_t) + q_t ⊙ s_{t-1}
    h_t = σ(P s_t + A x_t + R h_{t-1})
    y_t = [h_t; s_t]
    """
    s_tm1, h_tm1 = s
    q_t = sigmoid(p.beta)
    s_t = (1 - q_t) * (p.B @ x_t) + q_t * s_tm1
    h_t = sigmoid(p.P @ s_t + p.A @ x_t + p.R @ h_tm1)
    y_t = torch.cat([h_t, s_t])
    return y_t, State(s_t, h_t)


def hidden_and_context(sizes: Sizes) -> int:
    """Size of [h_t; s_t]."""
    return sizes["H"] + sizes["P"]


source = Source(
    title="Learning Longer Memory in Recurrent Neural Networks",
    authors=("Tomas Mikolov", "Armand Joulin", "Sumit Chopra", "Michael Mathieu", "Marc'Aurelio Ranzato"),
    year=2014,
    venue="ICLR 2015 workshop",
    identifier="arXiv:1412.7753",
)
options = {"P": Option("context_size", lambda sizes: max(1, 2 * sizes["H"] // 5), "context units, which change slowly")}
matrices = {name: uniform_hidden() for name in ("A", "B", "P", "R")}

scrn = Cell(
    name="scrn",
    aliases=("structurally_constrained_rnn",),
    step=step,
    Params=Params,
    State=State,
    output="O",
    options=options,
    derived={"O": hidden_and_context},
    init=matrices | {"alpha": constant(0.95, is_fixed=True)},
    source=source,
    differs="initial state 0, 0.1 in the authors' code; matrices start uniform within ±1/√H; 40 % as many context units as "
    "hidden units unless chosen",
)
scrn_previous_context = Cell(
    name="scrn_previous_context",
    step=step_previous_context,
    Params=Params,
    State=State,
    output="O",
    options=options,
    derived={"O": hidden_and_context},
    init=matrices | {"alpha": constant(0.95, is_fixed=True)},
    source=source,
    differs="the paper's hidden units read the new context, here that of the step before, as in the authors' code; α is one "
    "number, a frozen matrix there; initial state 0, 0.1 there; matrices start uniform within ±1/√H; 40 % as many context units "
    "as hidden units unless chosen",
)
scrn_learned_decay = Cell(
    name="scrn_learned_decay",
    step=step_learned_decay,
    Params=LearnedDecayParams,
    State=State,
    output="O",
    options=options,
    derived={"O": hidden_and_context},
    init=matrices | {"beta": uniform_between(2.0, 4.0)},
    source=source,
    differs="β starts uniform in 2 to 4, decays of 0.88 to 0.98 around the fixed 0.95; initial state 0; matrices start uniform "
    "within ±1/√H; 40 % as many context units as hidden units unless chosen; equations of this form from memory",
)
