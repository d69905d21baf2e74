"""Simple recurrent units: a linear running average behind a highway gate.

Each step carries its own equations. The highway carries x_t itself, so that input and hidden size must agree; where they
differ, use the cells named `_projected`, as the authors' code does by itself: their highway carries W_x x_t.

Source: Lei, Zhang, Wang, Dai and Artzi, "Simple Recurrent Units for Highly Parallelizable Recurrence", EMNLP 2018; the cells
named `_v1` are those of its first version, "Training RNNs as Fast as CNNs", 2017.
Differs: initialised as in the authors' code, with the highway scale α = √3 that belongs to biases of 0 (in the projected
cell it is part of the initial W_x); the squashing function of the first version, which the paper leaves open, is tanh.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, constant, same, uniform_between, uniform_by


class State(NamedTuple):
    c: Float[Tensor, " H"]  # cell state, a running average


class V1Params(NamedTuple):
    W: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    W_r: Float[Tensor, "H D"]
    b_r: Float[Tensor, " H"]


def sru_v1_step(p: V1Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """SRU of the first version: gates that read the input alone.

    u_t = W x_t                                                  candidate
    f_t = σ(W_f x_t + b_f)                                       forget gate
    r_t = σ(W_r x_t + b_r)                                       highway gate
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ u_t
    h_t = r_t ⊙ tanh(c_t) + (1 - r_t) ⊙ x_t
    """
    (c_tm1,) = s
    u_t = p.W @ x_t
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    r_t = sigmoid(p.W_r @ x_t + p.b_r)
    c_t = f_t * c_tm1 + (1 - f_t) * u_t
    h_t = r_t * tanh(c_t) + (1 - r_t) * x_t
    return h_t, State(c_t)


class V1ProjectedParams(NamedTuple):
    W: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    b_f: Float[Tensor, " H"]
    W_r: Float[Tensor, "H D"]
    b_r: Float[Tensor, " H"]
    W_x: Float[Tensor, "H D"]


def sru_v1_projected_step(
    p: V1ProjectedParams, x_t: Float[Tensor, " D"], s: State
) -> tuple[Float[Tensor, " H"], State]:
    """SRU of the first version with a projected highway.

    u_t = W x_t                                                  candidate
    f_t = σ(W_f x_t + b_f)                                       forget gate
    r_t = σ(W_r x_t + b_r)                                       highway gate
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ u_t
    h_t = r_t ⊙ tanh(c_t) + (1 - r_t) ⊙ W_x x_t
    """
    (c_tm1,) = s
    u_t = p.W @ x_t
    f_t = sigmoid(p.W_f @ x_t + p.b_f)
    r_t = sigmoid(p.W_r @ x_t + p.b_r)
    c_t = f_t * c_tm1 + (1 - f_t) * u_t
    h_t = r_t * tanh(c_t) + (1 - r_t) * (p.W_x @ x_t)
    return h_t, State(c_t)


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    v_f: Float[Tensor, " H"]
    b_f: Float[Tensor, " H"]
    W_r: Float[Tensor, "H D"]
    v_r: Float[Tensor, " H"]
    b_r: Float[Tensor, " H"]
    alpha: Float[Tensor, ""]  # scale of the highway, fixed


def sru_step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """SRU: gates that also read their own unit's past cell state.

    u_t = W x_t                                                  candidate
    f_t = σ(W_f x_t + v_f ⊙ c_{t-1} + b_f)                       forget gate
    r_t = σ(W_r x_t + v_r ⊙ c_{t-1} + b_r)                       highway gate
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ u_t
    h_t = r_t ⊙ c_t + (1 - r_t) ⊙ α x_t
    """
    (c_tm1,) = s
    u_t = p.W @ x_t
    f_t = sigmoid(p.W_f @ x_t + p.v_f * c_tm1 + p.b_f)
    r_t = sigmoid(p.W_r @ x_t + p.v_r * c_tm1 + p.b_r)
    c_t = f_t * c_tm1 + (1 - f_t) * u_t
    h_t = r_t * c_t + (1 - r_t) * (p.alpha * x_t)
    return h_t, State(c_t)


class ProjectedParams(NamedTuple):
    W: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    v_f: Float[Tensor, " H"]
    b_f: Float[Tensor, " H"]
    W_r: Float[Tensor, "H D"]
    v_r: Float[Tensor, " H"]
    b_r: Float[Tensor, " H"]
    W_x: Float[Tensor, "H D"]


def sru_projected_step(p: ProjectedParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """SRU with a projected highway.

    u_t = W x_t                                                  candidate
    f_t = σ(W_f x_t + v_f ⊙ c_{t-1} + b_f)                       forget gate
    r_t = σ(W_r x_t + v_r ⊙ c_{t-1} + b_r)                       highway gate
    c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ u_t
    h_t = r_t ⊙ c_t + (1 - r_t) ⊙ W_x x_t
    """
    (c_tm1,) = s
    u_t = p.W @ x_t
    f_t = sigmoid(p.W_f @ x_t + p.v_f * c_tm1 + p.b_f)
    r_t = sigmoid(p.W_r @ x_t + p.v_r * c_tm1 + p.b_r)
    c_t = f_t * c_tm1 + (1 - f_t) * u_t
    h_t = r_t * c_t + (1 - r_t) * (p.W_x @ x_t)
    return h_t, State(c_t)


first_version = Source(
    title="Training RNNs as Fast as CNNs",
    authors=("Tao Lei", "Yu Zhang"),
    year=2017,
    venue="arXiv preprint",
    identifier="arXiv:1709.02755",
)
source = Source(
    title="Simple Recurrent Units for Highly Parallelizable Recurrence",
    authors=("Tao Lei", "Yu Zhang", "Sida I. Wang", "Hui Dai", "Yoav Artzi"),
    year=2018,
    venue="Proceedings of the 2018 Conference on Empirical Methods in Natural Language Processing (EMNLP), 4470-4481",
    identifier="doi:10.18653/v1/D18-1477",
)
as_the_code = "initialised as in the authors' code"
alpha = 3**0.5
candidate, gate, zero = uniform_by("D", 3**0.5), uniform_by("D", 1.5**0.5), constant(0.0)
peephole = uniform_between(-(1.5**0.5), 1.5**0.5)
init_v1 = {"W": candidate, "W_f": candidate, "b_f": zero, "W_r": candidate, "b_r": zero}
init = {"W": candidate, "W_f": gate, "v_f": peephole, "b_f": zero, "W_r": gate, "v_r": peephole, "b_r": zero}

sru_v1 = Cell(
    name="sru_v1",
    step=sru_v1_step,
    Params=V1Params,
    State=State,
    derived={"H": same("H", "D")},
    init=init_v1,
    source=first_version,
    differs=f"{as_the_code}; the squashing function, which the paper leaves open, is tanh",
)
sru_v1_projected = Cell(
    name="sru_v1_projected",
    step=sru_v1_projected_step,
    Params=V1ProjectedParams,
    State=State,
    init=init_v1 | {"W_x": candidate},
    source=first_version,
    differs=f"{as_the_code}, and with its matrix W_x on the highway; the squashing function, which the paper leaves open, is tanh",
)
sru = Cell(
    name="sru",
    step=sru_step,
    Params=Params,
    State=State,
    derived={"H": same("H", "D")},
    init=init | {"alpha": constant(alpha, is_fixed=True)},
    source=source,
    differs=f"{as_the_code}, with the highway scale α = √3 that belongs to biases of 0",
)
sru_projected = Cell(
    name="sru_projected",
    step=sru_projected_step,
    Params=ProjectedParams,
    State=State,
    init=init | {"W_x": uniform_by("D", alpha * 3**0.5)},
    source=source,
    differs=f"{as_the_code}, and with its matrix W_x on the highway, α = √3 part of its initial values",
)
