"""SoPa: soft patterns, each a small weighted automaton that may match anywhere in the text.

A pattern is a chain of Q states; each token moves a match one state on (m) or keeps it where it is (l), and before that
the match may skip one state for free (ε). A match may begin at every token; the output is the score of all matches that
have ended so far.

Each step carries its own equations, with [v; w] for v put before w. r_t is what the paper calls the hidden state of the
token before: the state kept here is the one before its start state is opened again.

Source: Schwartz, Thomson and Smith, "SoPa: Bridging CNNs, RNNs, and Weighted Finite-State Machines", ACL 2018, sections 3
and 4, and the authors' code.
Differs: patterns of one length (the paper mixes lengths: lay several layers side by side); no scale on self-loops and ε,
which the code fixes at one; the code's scale 0.1 of the biases is in their initial values, N(0, 0.1²), not in the
equations; its unused last row of the main path is left out; the state is the one before the start state is opened, so
that it starts from zeros, and in the max semirings it is counted from -100, the code's stand-in for -∞.
"""

from typing import NamedTuple

import torch
from torch import cat, exp, maximum, sigmoid, zeros_like
from torch.nn.functional import softplus

from carrousel.cell import Cell, Float, Option, Source, Tensor, normal, one_less, unit_rows

ONE = 100.0
"""The one of the max semirings, 0, counted from their zero, -100."""


class State(NamedTuple):
    h: Float[Tensor, "H Q"]  # score of each state of each pattern, the start state not yet opened
    s: Float[Tensor, " H"]  # score of all matches so far


class Params(NamedTuple):
    W_m: Float[Tensor, "H A D"]
    b_m: Float[Tensor, "H A"]
    W_l: Float[Tensor, "H Q D"]
    b_l: Float[Tensor, "H Q"]
    epsilon: Float[Tensor, "H A"]


def sopa_step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """SoPa in the probability semiring: the sum over all matches.

    m_t = σ(W_m x_t + b_m)                               moves, from each state but the last
    l_t = σ(W_l x_t + b_l)                               self-loops
    r_t = [1; 0] + h_{t-1}                               a match may begin here
    a_t = r_t + [0; r_t ⊙ σ(ε)]                          at most one ε step, from each state but the last
    h_t = [0; a_t ⊙ m_t] + a_t ⊙ l_t
    s_t = s_{t-1} + h_t's last state
    """
    h_tm1, s_tm1 = s
    m_t = sigmoid(p.W_m @ x_t + p.b_m)
    l_t = sigmoid(p.W_l @ x_t + p.b_l)
    r_t = cat([1 + h_tm1[:, :1], h_tm1[:, 1:]], dim=1)
    a_t = r_t + after_none(r_t[:, :-1] * sigmoid(p.epsilon))
    h_t = after_none(a_t[:, :-1] * m_t) + a_t * l_t
    s_t = s_tm1 + h_t[:, -1]
    return s_t, State(h_t, s_t)


class MaxState(NamedTuple):
    h: Float[Tensor, "H Q"]  # score of each state of each pattern, the start state not yet opened, counted from -100
    s: Float[Tensor, " H"]  # score of the best match so far, counted from -100


def sopa_max_plus_step(p: Params, x_t: Float[Tensor, " D"], s: MaxState) -> tuple[Float[Tensor, " H"], MaxState]:
    """SoPa in the max-plus semiring: the best match.

        m_t = W_m x_t + b_m                                  moves, from each state but the last
        l_t = W_l x_t + b_l                                  self-loops
        r_t = max([0; -100], h_{t-1})                        a match may begin here
        a_t = max(r_t, [-100; r_t + ε])                      at most one ε step, from each state but the last
        h_t = max([-100; a_t + m_t], a_t + l_t)
        s_t = max(s_{t-1}, h_t's last state)

    Below, r, a, h and s are kept with 100 added.
    """
    h_tm1, s_tm1 = s
    m_t = p.W_m @ x_t + p.b_m
    l_t = p.W_l @ x_t + p.b_l
    r_t = cat([torch.clamp(h_tm1[:, :1], min=ONE), h_tm1[:, 1:]], dim=1)
    a_t = maximum(r_t, after_none(r_t[:, :-1] + p.epsilon))
    h_t = maximum(after_none(a_t[:, :-1] + m_t), a_t + l_t)
    s_t = maximum(s_tm1, h_t[:, -1])
    return s_t - ONE, MaxState(h_t, s_t)


def sopa_max_times_step(p: Params, x_t: Float[Tensor, " D"], s: MaxState) -> tuple[Float[Tensor, " H"], MaxState]:
    """SoPa in the max-times semiring, computed in logarithms: the probability of the best match.

        m_t = log σ(W_m x_t + b_m)                           moves, from each state but the last
        l_t = log σ(W_l x_t + b_l)                           self-loops
        r_t = max([0; -100], h_{t-1})                        a match may begin here
        a_t = max(r_t, [-100; r_t + log σ(ε)])               at most one ε step, from each state but the last
        h_t = max([-100; a_t + m_t], a_t + l_t)
        s_t = max(s_{t-1}, h_t's last state)
        y_t = exp(s_t)

    Below, r, a, h and s are kept with 100 added.
    """
    h_tm1, s_tm1 = s
    m_t = -softplus(-(p.W_m @ x_t + p.b_m))
    l_t = -softplus(-(p.W_l @ x_t + p.b_l))
    r_t = cat([torch.clamp(h_tm1[:, :1], min=ONE), h_tm1[:, 1:]], dim=1)
    a_t = maximum(r_t, after_none(r_t[:, :-1] - softplus(-p.epsilon)))
    h_t = maximum(after_none(a_t[:, :-1] + m_t), a_t + l_t)
    s_t = maximum(s_tm1, h_t[:, -1])
    y_t = exp(s_t - ONE)
    return y_t, MaxState(h_t, s_t)


def after_none(scores: Float[Tensor, "H A"]) -> Float[Tensor, "H Q"]:
    """[0; scores]: nothing enters the start state."""
    return cat([zeros_like(scores[:, :1]), scores], dim=1)


source = Source(
    title="SoPa: Bridging CNNs, RNNs, and Weighted Finite-State Machines",
    authors=("Roy Schwartz", "Sam Thomson", "Noah A. Smith"),
    year=2018,
    venue="Proceedings of the 56th Annual Meeting of the Association for Computational Linguistics (ACL), 295-305",
    identifier="doi:10.18653/v1/P18-1028",
)
options = {
    "Q": Option(
        "pattern_length", lambda _: 4, "states of a pattern, the start and the end included: tokens + 1, at least 2"
    )
}
init = {"W_m": unit_rows(), "b_m": normal(0.1), "W_l": unit_rows(), "b_l": normal(0.1), "epsilon": normal(1.0)}
differs = (
    "patterns of one length; no scale on self-loops and ε; the code's scale 0.1 of the biases is in their initial values; "
    "no unused last row of the main path; the state is the one before the start state is opened"
)
counted = f"{differs}, counted from -100, the code's stand-in for -∞"

sopa = Cell(
    name="sopa",
    step=sopa_step,
    Params=Params,
    State=State,
    options=options,
    derived={"A": one_less("Q")},
    init=init,
    source=source,
    differs=differs,
)
sopa_max_plus = Cell(
    name="sopa_max_plus",
    step=sopa_max_plus_step,
    Params=Params,
    State=MaxState,
    options=options,
    derived={"A": one_less("Q")},
    init=init,
    source=source,
    differs=counted,
)
sopa_max_times = Cell(
    name="sopa_max_times",
    step=sopa_max_times_step,
    Params=Params,
    State=MaxState,
    options=options,
    derived={"A": one_less("Q")},
    init=init,
    source=source,
    differs=counted,
)
