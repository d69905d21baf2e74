"""IndRNN: each unit reads its own past and nobody else's.

    h_t = relu(W x_t + u ⊙ h_{t-1} + b)

The same equation as `t_mr`, with its own initialisation; layers are meant to be stacked.

Source: Li, Li, Cook, Zhu and Gao, "Independently Recurrent Neural Network (IndRNN): Building a Longer and Deeper RNN", CVPR 2018,
equation 2.
Differs: the paper's bound on |u| after each update, 2^(1/T) for sequences of T steps, is left to the training; W starts as in the
authors' code.
"""

from typing import NamedTuple

from torch import relu

from carrousel.cell import Cell, Float, Source, Tensor, constant, uniform_between, uniform_by


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    u: Float[Tensor, " H"]
    b: Float[Tensor, " H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    (h_tm1,) = s
    h_t = relu(p.W @ x_t + p.u * h_tm1 + p.b)
    return h_t, State(h_t)


indrnn = Cell(
    name="indrnn",
    step=step,
    Params=Params,
    State=State,
    # He's uniform bound √(6 / ((1 + 8²) D)), the rectifier taken to have slope 8
    init={"W": uniform_by("D", (6 / 65) ** 0.5), "u": uniform_between(0.0, 1.0), "b": constant(0.0)},
    source=Source(
        title="Independently Recurrent Neural Network (IndRNN): Building a Longer and Deeper RNN",
        authors=("Shuai Li", "Wanqing Li", "Chris Cook", "Ce Zhu", "Yanbo Gao"),
        year=2018,
        venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR), 5457-5466",
        identifier="arXiv:1803.04831",
    ),
    differs="the bound on |u| after each update, 2^(1/T), is left to the training; W starts as in the authors' code",
)
