"""Legendre memory unit: a linear memory of the last θ steps of one number, and a tanh network that writes and reads it.

    u_t = e_x · x_t + e_h · h_{t-1} + e_m · m_{t-1}        what is written, one number
    m_t = Ā m_{t-1} + B̄ u_t                                Legendre coefficients of u over the window
    h_t = tanh(W_x x_t + W_h h_{t-1} + W_m m_t)

Ā and B̄ are constants of the cell: θ dm/dt = A m + B u with A_ij = (2i+1) (-1 if i < j else (-1)^(i-j+1)) and
B_i = (2i+1) (-1)^i, counted from 0, held constant over each step of length 1 (zero-order hold).

Source: Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time Representation in Recurrent Neural Networks",
NeurIPS 2019.
Differs: initialised as in the authors' code, except that its Glorot normal distribution is cut at two standard deviations and
ours is not.
"""

from typing import NamedTuple, cast

import torch
from torch import tanh

from carrousel.cell import (
    Cell,
    Float,
    Initialiser,
    Option,
    Sizes,
    Source,
    Tensor,
    constant,
    glorot_normal,
    uniform_by,
)


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    m: Float[Tensor, " M"]  # memory: Legendre coefficients of the window, lowest degree first


class Params(NamedTuple):
    e_x: Float[Tensor, " D"]
    e_h: Float[Tensor, " H"]
    e_m: Float[Tensor, " M"]
    A: Float[Tensor, "M M"]
    B: Float[Tensor, " M"]
    W_x: Float[Tensor, "H D"]
    W_h: Float[Tensor, "H H"]
    W_m: Float[Tensor, "H M"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    h_tm1, m_tm1 = s
    u_t = p.e_x @ x_t + p.e_h @ h_tm1 + p.e_m @ m_tm1
    m_t = p.A @ m_tm1 + p.B * u_t
    h_t = tanh(p.W_x @ x_t + p.W_h @ h_tm1 + p.W_m @ m_t)
    return h_t, State(h_t, m_t)


def discretised(order: int, window_steps: int) -> tuple[Float[Tensor, "M M"], Float[Tensor, " M"]]:
    """Ā and B̄ in float64: the exponential of [[A, B], [0, 0]] / θ holds both in its upper rows."""
    degree = torch.arange(order, dtype=torch.float64)
    i, j = degree[:, None], degree[None, :]
    both = torch.zeros(order + 1, order + 1, dtype=torch.float64)
    both[:-1, :-1] = (2 * i + 1) * torch.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    both[:-1, -1] = (2 * degree + 1) * (-1.0) ** degree
    held = cast(Tensor, torch.linalg.matrix_exp(both / window_steps))  # pyright: ignore[reportUnknownMemberType]
    return held[:-1, :-1], held[:-1, -1]


def fill_A(tensor: Tensor, sizes: Sizes, _generator: torch.Generator | None) -> None:
    """The matrix of the memory."""
    tensor.copy_(discretised(sizes["M"], sizes["W"])[0])


def fill_B(tensor: Tensor, sizes: Sizes, _generator: torch.Generator | None) -> None:
    """The input vector of the memory."""
    tensor.copy_(discretised(sizes["M"], sizes["W"])[1])


lmu = Cell(
    name="lmu",
    aliases=("legendre_memory_unit",),
    step=step,
    Params=Params,
    State=State,
    options={
        "M": Option("memory_size", lambda sizes: sizes["H"], "Legendre polynomials of the memory"),
        "W": Option(
            "window_steps", lambda _: 784, "steps that the memory spans, θ (784 in the paper's permuted MNIST)"
        ),
    },
    init={
        "e_x": uniform_by("D", 3**0.5),
        "e_h": uniform_by("H", 3**0.5),
        "e_m": constant(0.0),
        "A": Initialiser("Legendre, held over a step (fixed)", fill_A, is_fixed=True),
        "B": Initialiser("Legendre, held over a step (fixed)", fill_B, is_fixed=True),
        "W_x": glorot_normal("D", "H"),
        "W_h": glorot_normal("H", "H"),
        "W_m": glorot_normal("M", "H"),
    },
    source=Source(
        title="Legendre Memory Units: Continuous-Time Representation in Recurrent Neural Networks",
        authors=("Aaron R. Voelker", "Ivana Kajić", "Chris Eliasmith"),
        year=2019,
        venue="Advances in Neural Information Processing Systems 32 (NeurIPS), 15544-15553",
    ),
    differs="initialised as in the authors' code, except that its Glorot normal distribution is cut at two standard deviations; "
    "as many polynomials as hidden units unless chosen",
)
