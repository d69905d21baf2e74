"""Rational recurrences: each unit scores the input by a small weighted automaton whose arcs read x_t and never the state.

Each step carries its own equations. The letters are the automata of the paper's figures: B has two states and matches
single tokens, C has three and matches pairs with gaps, F adds B and C up. All have an output gate, as in the paper's
experiments.

Source: Peng, Schwartz, Thomson and Smith, "Rational Recurrences", EMNLP 2018, sections 4 and 5.1, and the authors' code.
Differs: F is written from the code; B and C are the parts of it that belong to their automata; tanh stands outside the
output gate and there are no biases on u, as in the code. The state of rrnn_b_max_plus is counted from -100, the code's
stand-in for -∞, so that a state of zeros holds no match.
"""

from typing import NamedTuple

import torch
from torch import sigmoid, tanh
from torch.nn.functional import softplus

from carrousel.cell import Cell, Float, Source, Tensor, constant, glorot_uniform

ZERO = -100.0
"""The zero of the max-plus semiring, where -∞ would spoil derivatives."""


class BState(NamedTuple):
    c: Float[Tensor, " H"]  # score of the automaton's final state


class BParams(NamedTuple):
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    W_u: Float[Tensor, "H D"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]


def rrnn_b_step(p: BParams, x_t: Float[Tensor, " D"], s: BState) -> tuple[Float[Tensor, " H"], BState]:
    """RRNN(B): scores of single tokens, summed with decay.

    f_t = σ(W_f x_t + b_f)                               self-loop of the final state
    u_t = (1 - f_t) ⊙ W_u x_t                            arc into it
    o_t = σ(W_o x_t + b_o)                               output gate
    c_t = f_t ⊙ c_{t-1} + u_t
    h_t = tanh(o_t ⊙ c_t)
    """
    (c_tm1,) = s
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    u_t = (1 - f_t) * (p.W_u @ x_t)
    o_t = sigmoid(p.W_o @ x_t + p.b_o)
    c_t = f_t * c_tm1 + u_t
    h_t = tanh(o_t * c_t)
    return h_t, BState(c_t)


class BMaxPlusState(NamedTuple):
    c: Float[Tensor, " H"]  # score of the automaton's final state, counted from -100


def rrnn_b_max_plus_step(
    p: BParams, x_t: Float[Tensor, " D"], s: BMaxPlusState
) -> tuple[Float[Tensor, " H"], BMaxPlusState]:
    """RRNN(B) in the max-plus semiring: the best single token, with decay.

        f_t = log σ(W_f x_t + b_f)                           self-loop of the final state
        u_t = W_u x_t                                        arc into it
        o_t = σ(W_o x_t + b_o)                               output gate
        c_t = max(c_{t-1} + f_t, u_t)
        h_t = tanh(o_t ⊙ c_t)

    Below, c is kept with 100 added.
    """
    (c_tm1,) = s
    f_t = -softplus(-(p.W_f @ x_t + p.b_f))
    u_t = p.W_u @ x_t
    o_t = sigmoid(p.W_o @ x_t + p.b_o)
    c_t = torch.maximum(c_tm1 + f_t, u_t - ZERO)
    h_t = tanh(o_t * (c_t + ZERO))
    return h_t, BMaxPlusState(c_t)


class PairState(NamedTuple):
    c1: Float[Tensor, " H"]  # score of the automaton's middle state
    c2: Float[Tensor, " H"]  # score of its last state


class CParams(NamedTuple):
    W_f1: Float[Tensor, "H D"]
    b_f1: Float[Tensor, " H"]
    W_u1: Float[Tensor, "H D"]
    W_f2: Float[Tensor, "H D"]
    b_f2: Float[Tensor, " H"]
    W_u2: Float[Tensor, "H D"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]


def rrnn_c_step(p: CParams, x_t: Float[Tensor, " D"], s: PairState) -> tuple[Float[Tensor, " H"], PairState]:
    """RRNN(C): scores of pairs of tokens, with gaps between and after them.

    f1_t = σ(W_f1 x_t + b_f1)                            self-loop of the middle state
    u1_t = (1 - f1_t) ⊙ W_u1 x_t                         arc into it
    f2_t = σ(W_f2 x_t + b_f2)                            self-loop of the last state
    u2_t = (1 - f2_t) ⊙ W_u2 x_t                         arc from the middle to the last
    o_t = σ(W_o x_t + b_o)                               output gate
    c1_t = f1_t ⊙ c1_{t-1} + u1_t
    c2_t = f2_t ⊙ c2_{t-1} + c1_{t-1} ⊙ u2_t
    h_t = tanh(o_t ⊙ c2_t)
    """
    c1_tm1, c2_tm1 = s
    f1_t = sigmoid(p.W_f1 @ x_t + p.b_f1)
    u1_t = (1 - f1_t) * (p.W_u1 @ x_t)
    f2_t = sigmoid(p.W_f2 @ x_t + p.b_f2)
    u2_t = (1 - f2_t) * (p.W_u2 @ x_t)
    o_t = sigmoid(p.W_o @ x_t + p.b_o)
    c1_t = f1_t * c1_tm1 + u1_t
    c2_t = f2_t * c2_tm1 + c1_tm1 * u2_t
    h_t = tanh(o_t * c2_t)
    return h_t, PairState(c1_t, c2_t)


class FParams(NamedTuple):
    W_f1: Float[Tensor, "H D"]
    b_f1: Float[Tensor, " H"]
    W_u1: Float[Tensor, "H D"]
    W_f2: Float[Tensor, "H D"]
    b_f2: Float[Tensor, " H"]
    W_u2: Float[Tensor, "H D"]
    W_o: Float[Tensor, "H D"]
    b_o: Float[Tensor, " H"]
    epsilon: Float[Tensor, " H"]  # arc from the first to the middle state that reads nothing, before σ
    rho1: Float[Tensor, " H"]  # weight of the middle state as a final one, before σ
    rho2: Float[Tensor, " H"]  # weight of the last state as a final one, before σ


def rrnn_f_step(p: FParams, x_t: Float[Tensor, " D"], s: PairState) -> tuple[Float[Tensor, " H"], PairState]:
    """RRNN(F): scores of single tokens and of pairs, weighted together.

    f1_t = σ(W_f1 x_t + b_f1)                            self-loop of the middle state
    u1_t = (1 - f1_t) ⊙ W_u1 x_t                         arc into it
    f2_t = σ(W_f2 x_t + b_f2)                            self-loop of the last state
    u2_t = (1 - f2_t) ⊙ W_u2 x_t                         arc from the middle to the last
    o_t = σ(W_o x_t + b_o)                               output gate
    c1_t = f1_t ⊙ c1_{t-1} + u1_t
    c2_t = f2_t ⊙ c2_{t-1} + (c1_{t-1} + σ(ε)) ⊙ u2_t
    c_t = σ(ρ1) ⊙ c1_t + σ(ρ2) ⊙ c2_t
    h_t = tanh(o_t ⊙ c_t)
    """
    c1_tm1, c2_tm1 = s
    f1_t = sigmoid(p.W_f1 @ x_t + p.b_f1)
    u1_t = (1 - f1_t) * (p.W_u1 @ x_t)
    f2_t = sigmoid(p.W_f2 @ x_t + p.b_f2)
    u2_t = (1 - f2_t) * (p.W_u2 @ x_t)
    o_t = sigmoid(p.W_o @ x_t + p.b_o)
    c1_t = f1_t * c1_tm1 + u1_t
    c2_t = f2_t * c2_tm1 + (c1_tm1 + sigmoid(p.epsilon)) * u2_t
    c_t = sigmoid(p.rho1) * c1_t + sigmoid(p.rho2) * c2_t
    h_t = tanh(o_t * c_t)
    return h_t, PairState(c1_t, c2_t)


source = Source(
    title="Rational Recurrences",
    authors=("Hao Peng", "Roy Schwartz", "Sam Thomson", "Noah A. Smith"),
    year=2018,
    venue="Proceedings of the 2018 Conference on Empirical Methods in Natural Language Processing (EMNLP), 1203-1214",
    identifier="doi:10.18653/v1/D18-1152",
)
as_the_code = "tanh outside the output gate and no biases on u, as in the authors' code"
part_of_the_code = (
    f"written from memory, and equal to the part of the authors' RRNN(F) that is its automaton; {as_the_code}"
)
weights, zero = glorot_uniform(), constant(0.0)
init_b = {"W_f": weights, "b_f": zero, "W_u": weights, "W_o": weights, "b_o": zero}
init_c = {name: zero if name.startswith("b_") else weights for name in CParams._fields}

rrnn_b = Cell(
    name="rrnn_b",
    step=rrnn_b_step,
    Params=BParams,
    State=BState,
    init=init_b,
    source=source,
    differs=part_of_the_code,
)
rrnn_b_max_plus = Cell(
    name="rrnn_b_max_plus",
    step=rrnn_b_max_plus_step,
    Params=BParams,
    State=BMaxPlusState,
    init=init_b,
    source=source,
    differs=f"{part_of_the_code}; the state is counted from -100, so that zeros hold no match",
)
rrnn_c = Cell(
    name="rrnn_c",
    step=rrnn_c_step,
    Params=CParams,
    State=PairState,
    init=init_c,
    source=source,
    differs=part_of_the_code,
)
rrnn_f = Cell(
    name="rrnn_f",
    aliases=("rrnn",),
    step=rrnn_f_step,
    Params=FParams,
    State=PairState,
    init=init_c | {"epsilon": zero, "rho1": zero, "rho2": zero},
    source=source,
    differs=as_the_code,
)
