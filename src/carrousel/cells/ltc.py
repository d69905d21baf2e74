"""Liquid time-constant network: leaky units whose synapses are conductances, solved by six fused Euler steps a time step.

    u_t = w_in ⊙ x_t + b_in                                                     inputs, mapped
    S_t = w_s ⊙ σ(γ_s ⊙ (u_t - μ_s))                                            conductances of synapses from inputs, H × D
    v_t = v_{t-1}, then six times
        Q = w ⊙ σ(γ ⊙ (v_t - μ))                                                conductances of synapses from units, H × H
        v_t = (c ⊙ v_t + g ⊙ v_l + Σ_j Q ⊙ E + Σ_j S_t ⊙ E_s) / (c + g + Σ_j Q + Σ_j S_t)

A unit is a row of the matrices and its sources are the columns j, over which the sums run. c is a capacitance divided by the
length of an Euler step, g and v_l are the conductance and the potential of the leak, E the potentials that synapses pull to.

Source: Hasani, Lechner, Amini, Rus and Grosu, "Liquid Time-Constant Networks", AAAI 2021 (arXiv:2006.04439), algorithm 1.
Differs: written from the authors' code; w, w_s, g and c are softplus of the parameters of that name and so stay positive,
where that code cuts them off after every update; time steps are evenly spaced.
"""

from typing import NamedTuple

import torch
from torch import sigmoid
from torch.nn.functional import softplus

from carrousel.cell import Cell, Float, Initialiser, Sizes, Source, Tensor, constant, uniform_between


class State(NamedTuple):
    v: Float[Tensor, " H"]  # potentials of the units, also the output


class Params(NamedTuple):
    w_in: Float[Tensor, " D"]
    b_in: Float[Tensor, " D"]
    w_s: Float[Tensor, "H D"]
    gamma_s: Float[Tensor, "H D"]
    mu_s: Float[Tensor, "H D"]
    E_s: Float[Tensor, "H D"]
    w: Float[Tensor, "H H"]
    gamma: Float[Tensor, "H H"]
    mu: Float[Tensor, "H H"]
    E: Float[Tensor, "H H"]
    c: Float[Tensor, " H"]
    g: Float[Tensor, " H"]
    v_l: Float[Tensor, " H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> v_t and the state after it."""
    (v_tm1,) = s
    w_s, w, c, g = softplus(p.w_s), softplus(p.w), softplus(p.c), softplus(p.g)
    u_t = p.w_in * x_t + p.b_in
    S_t = w_s * sigmoid(p.gamma_s * (u_t - p.mu_s))
    v_t = v_tm1
    for _ in range(6):
        Q = w * sigmoid(p.gamma * (v_t - p.mu))
        v_t = (c * v_t + g * p.v_l + (Q * p.E).sum(1) + (S_t * p.E_s).sum(1)) / (c + g + Q.sum(1) + S_t.sum(1))
    return v_t, State(v_t)


def positive(low: float, high: float) -> Initialiser:
    """What softplus takes to a number uniform from low to high."""

    def fill(tensor: Tensor, _sizes: Sizes, generator: torch.Generator | None) -> None:
        tensor.uniform_(low, high, generator=generator).expm1_().log_()

    number = f"{low:g}" if low == high else f"U({low:g}, {high:g})"
    return Initialiser(f"log(exp({number}) - 1)", fill)


def signs() -> Initialiser:
    """1 or -1, each as likely."""

    def fill(tensor: Tensor, _sizes: Sizes, generator: torch.Generator | None) -> None:
        tensor.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)

    return Initialiser("1 or -1", fill)


ltc = Cell(
    name="ltc",
    aliases=("liquid_time_constant",),
    step=step,
    Params=Params,
    State=State,
    init={
        "w_in": constant(1.0),
        "b_in": constant(0.0),
        "w_s": positive(0.01, 1.0),
        "gamma_s": uniform_between(3.0, 8.0),
        "mu_s": uniform_between(0.3, 0.8),
        "E_s": signs(),
        "w": positive(0.01, 1.0),
        "gamma": uniform_between(3.0, 8.0),
        "mu": uniform_between(0.3, 0.8),
        "E": signs(),
        "c": positive(0.5, 0.5),
        "g": positive(1.0, 1.0),
        "v_l": uniform_between(-0.2, 0.2),
    },
    source=Source(
        title="Liquid Time-Constant Networks",
        authors=("Ramin Hasani", "Mathias Lechner", "Alexander Amini", "Daniela Rus", "Radu Grosu"),
        year=2021,
        venue="Proceedings of the AAAI Conference on Artificial Intelligence 35(9), 7657-7666",
        identifier="doi:10.1609/aaai.v35i9.16936",
    ),
    differs="written from the authors' code and initialised like it; conductances and capacitances are kept positive by "
    "softplus, not by cutting them off after an update; time steps are evenly spaced",
)
