"""CfC, closed-form continuous-time networks: what a liquid network does over an interval Δt, without solving its equation.

Each step carries its own equations. φ(z) = 1.7159 tanh(0.666 z) (LeCun's tanh); Δt = exp(log_dt) is a constant of the cell, 1
unless set.

Source: Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl and Rus, "Closed-Form Continuous-Time Neural Networks",
Nature Machine Intelligence 4, 2022 (arXiv:2106.13898).
Differs: written from the authors' code; time steps are evenly spaced; initialised as that code's layers are by default:
Glorot-uniform matrices (the backbone's first over its whole input), biases 0.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import exp, sigmoid, tanh

from carrousel.cell import Cell, Float, Initialiser, Option, Sizes, Source, Tensor, constant, glorot_uniform


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class Params(NamedTuple):
    log_dt: Float[Tensor, ""]
    W_x: Float[Tensor, "U D"]
    W_h: Float[Tensor, "U H"]
    b: Float[Tensor, " U"]
    V: Float[Tensor, "I U U"]
    d: Float[Tensor, "I U"]
    F_1: Float[Tensor, "H U"]
    b_1: Float[Tensor, " H"]
    F_2: Float[Tensor, "H U"]
    b_2: Float[Tensor, " H"]
    T_a: Float[Tensor, "H U"]
    b_a: Float[Tensor, " H"]
    T_b: Float[Tensor, "H U"]
    b_b: Float[Tensor, " H"]


def cfc_step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """CfC: a gate that moves with time goes from one candidate to the other.

    b_t = φ(W_x x_t + W_h h_{t-1} + b)                        backbone, first layer
    b_t = φ(V[l] b_t + d[l])                                  its further layers, l = 1, 2, …
    f_t = tanh(F_1 b_t + b_1)                                 where an interval begins
    g_t = tanh(F_2 b_t + b_2)                                 where it ends
    s_t = σ((T_a b_t + b_a) Δt + T_b b_t + b_b)               how far it has come
    h_t = f_t ⊙ (1 - s_t) + s_t ⊙ g_t
    """
    (h_tm1,) = s
    b_t = lecun_tanh(p.W_x @ x_t + p.W_h @ h_tm1 + p.b)
    for l in range(p.V.shape[0]):
        b_t = lecun_tanh(p.V[l] @ b_t + p.d[l])
    f_t = tanh(p.F_1 @ b_t + p.b_1)
    g_t = tanh(p.F_2 @ b_t + p.b_2)
    s_t = sigmoid((p.T_a @ b_t + p.b_a) * exp(p.log_dt) + p.T_b @ b_t + p.b_b)
    h_t = f_t * (1 - s_t) + s_t * g_t
    return h_t, State(h_t)


def cfc_no_gate_step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """CfC without a gate on the first candidate: the second is added to it.

    b_t = φ(W_x x_t + W_h h_{t-1} + b)                        backbone, first layer
    b_t = φ(V[l] b_t + d[l])                                  its further layers, l = 1, 2, …
    f_t = tanh(F_1 b_t + b_1)
    g_t = tanh(F_2 b_t + b_2)
    s_t = σ((T_a b_t + b_a) Δt + T_b b_t + b_b)
    h_t = f_t + s_t ⊙ g_t
    """
    (h_tm1,) = s
    b_t = lecun_tanh(p.W_x @ x_t + p.W_h @ h_tm1 + p.b)
    for l in range(p.V.shape[0]):
        b_t = lecun_tanh(p.V[l] @ b_t + p.d[l])
    f_t = tanh(p.F_1 @ b_t + p.b_1)
    g_t = tanh(p.F_2 @ b_t + p.b_2)
    s_t = sigmoid((p.T_a @ b_t + p.b_a) * exp(p.log_dt) + p.T_b @ b_t + p.b_b)
    h_t = f_t + s_t * g_t
    return h_t, State(h_t)


class MinimalParams(NamedTuple):
    log_dt: Float[Tensor, ""]
    W_x: Float[Tensor, "U D"]
    W_h: Float[Tensor, "U H"]
    b: Float[Tensor, " U"]
    V: Float[Tensor, "I U U"]
    d: Float[Tensor, "I U"]
    F_1: Float[Tensor, "H U"]
    b_1: Float[Tensor, " H"]
    w_tau: Float[Tensor, " H"]
    A: Float[Tensor, " H"]


def cfc_minimal_step(p: MinimalParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """The closed form as it is derived, without the changes that make CfC train well.

    b_t = φ(W_x x_t + W_h h_{t-1} + b)                        backbone, first layer
    b_t = φ(V[l] b_t + d[l])                                  its further layers, l = 1, 2, …
    f_t = F_1 b_t + b_1
    h_t = A - A ⊙ exp(-Δt (|w_τ| + |f_t|)) ⊙ f_t
    """
    (h_tm1,) = s
    b_t = lecun_tanh(p.W_x @ x_t + p.W_h @ h_tm1 + p.b)
    for l in range(p.V.shape[0]):
        b_t = lecun_tanh(p.V[l] @ b_t + p.d[l])
    f_t = p.F_1 @ b_t + p.b_1
    h_t = p.A - p.A * exp(-exp(p.log_dt) * (p.w_tau.abs() + f_t.abs())) * f_t
    return h_t, State(h_t)


def lecun_tanh(z: Tensor) -> Tensor:
    """LeCun's scaled tanh, which is close to 1 at 1 and to -1 at -1."""
    return 1.7159 * tanh(0.666 * z)


def glorot_backbone() -> Initialiser:
    """Glorot-uniform for one matrix over x_t and h_{t-1} together."""

    def fill(tensor: Tensor, sizes: Sizes, generator: torch.Generator | None) -> None:
        bound = (6 / (sizes["D"] + sizes["H"] + sizes["U"])) ** 0.5
        tensor.uniform_(-bound, bound, generator=generator)

    return Initialiser("U(-√(6/(D+H+U)), √(6/(D+H+U)))", fill)


source = Source(
    title="Closed-Form Continuous-Time Neural Networks",
    authors=(
        "Ramin Hasani",
        "Mathias Lechner",
        "Alexander Amini",
        "Lucas Liebenwein",
        "Aaron Ray",
        "Max Tschaikowski",
        "Gerald Teschl",
        "Daniela Rus",
    ),
    year=2022,
    venue="Nature Machine Intelligence 4, 992-1003",
    identifier="doi:10.1038/s42256-022-00556-7",
)
options = {
    "U": Option("backbone_units", lambda sizes: sizes["H"], "units of each layer of the backbone"),
    "L": Option("backbone_layers", lambda _: 1, "layers of the backbone, which reads x_t and h_{t-1}"),
}
derived: dict[str, Callable[[Sizes], int]] = {"I": lambda sizes: sizes["L"] - 1}
head, zero = glorot_uniform("U", "H"), constant(0.0)
backbone_init = {
    "log_dt": constant(0.0, is_fixed=True),
    "W_x": glorot_backbone(),
    "W_h": glorot_backbone(),
    "b": zero,
    "V": glorot_uniform("U", "U"),
    "d": zero,
    "F_1": head,
    "b_1": zero,
}
init = backbone_init | {"F_2": head, "b_2": zero, "T_a": head, "b_a": zero, "T_b": head, "b_b": zero}
differs = (
    "written from the authors' code, with LeCun's tanh in the backbone; time steps are evenly spaced, Δt = 1 "
    "unless log_dt is set; initialised as that code's layers are by default"
)

cfc = Cell(
    name="cfc",
    aliases=("closed_form_continuous_time",),
    step=cfc_step,
    Params=Params,
    State=State,
    options=options,
    derived=derived,
    init=init,
    source=source,
    differs=differs,
)
cfc_no_gate = Cell(
    name="cfc_no_gate",
    step=cfc_no_gate_step,
    Params=Params,
    State=State,
    options=options,
    derived=derived,
    init=init,
    source=source,
    differs=differs,
)
cfc_minimal = Cell(
    name="cfc_minimal",
    step=cfc_minimal_step,
    Params=MinimalParams,
    State=State,
    options=options,
    derived=derived,
    init=backbone_init | {"w_tau": zero, "A": constant(1.0)},
    source=source,
    differs=differs,
)
