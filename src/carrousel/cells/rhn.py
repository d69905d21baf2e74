"""Recurrent highway network: within each time step the state passes through a stack of L highway layers.

    h_t = tanh(W_h x_t + R_h[1] s_{t-1} + b_h[1])         candidate of the first layer, which alone reads x_t
    t_t = σ(W_t x_t + R_t[1] s_{t-1} + b_t[1])            transform gate
    s_t = h_t ⊙ t_t + s_{t-1} ⊙ (1 - t_t)                 state between the layers
    h_t = tanh(R_h[l] s_t + b_h[l])                       then, for l = 2 … L, the same on what the layer below left
    t_t = σ(R_t[l] s_t + b_t[l])
    s_t = h_t ⊙ t_t + s_t ⊙ (1 - t_t)

The state and the output of the step are the s_t of layer L. Here the carry gate is coupled, c = 1 - t, as in all experiments
of the paper; `rhn_uncoupled` gives it weights of its own.

Source: Zilly, Srivastava, Koutník and Schmidhuber, "Recurrent Highway Networks", ICML 2017, equations 6-9.
Differs: the initialisation is that of the authors' code for Penn Treebank (uniform within ±0.04, transform biases -2); the
code for enwik8 and text8 starts the transform biases at -4. No experiment of the paper has an uncoupled carry gate; ours
starts with biases +2, where 1 - t starts.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Option, Source, Tensor, constant, uniform


class State(NamedTuple):
    s: Float[Tensor, " H"]  # what the last layer leaves, also the output


class Params(NamedTuple):
    W_h: Float[Tensor, "H D"]
    R_h: Float[Tensor, "L H H"]
    b_h: Float[Tensor, "L H"]
    W_t: Float[Tensor, "H D"]
    R_t: Float[Tensor, "L H H"]
    b_t: Float[Tensor, "L H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> s_t of the last layer and the state after it."""
    (s_tm1,) = s
    h_t = tanh(p.W_h @ x_t + p.R_h[0] @ s_tm1 + p.b_h[0])
    t_t = sigmoid(p.W_t @ x_t + p.R_t[0] @ s_tm1 + p.b_t[0])
    s_t = h_t * t_t + s_tm1 * (1 - t_t)
    for l in range(1, p.R_h.shape[0]):
        h_t = tanh(p.R_h[l] @ s_t + p.b_h[l])
        t_t = sigmoid(p.R_t[l] @ s_t + p.b_t[l])
        s_t = h_t * t_t + s_t * (1 - t_t)
    return s_t, State(s_t)


class UncoupledParams(NamedTuple):
    W_h: Float[Tensor, "H D"]
    R_h: Float[Tensor, "L H H"]
    b_h: Float[Tensor, "L H"]
    W_t: Float[Tensor, "H D"]
    R_t: Float[Tensor, "L H H"]
    b_t: Float[Tensor, "L H"]
    W_c: Float[Tensor, "H D"]
    R_c: Float[Tensor, "L H H"]
    b_c: Float[Tensor, "L H"]


def step_uncoupled(p: UncoupledParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """The general form: the carry gate has weights of its own.

    h_t = tanh(W_h x_t + R_h[1] s_{t-1} + b_h[1])
    t_t = σ(W_t x_t + R_t[1] s_{t-1} + b_t[1])
    c_t = σ(W_c x_t + R_c[1] s_{t-1} + b_c[1])
    s_t = h_t ⊙ t_t + s_{t-1} ⊙ c_t
    h_t = tanh(R_h[l] s_t + b_h[l])             then, for l = 2 … L, the same on what the layer below left
    t_t = σ(R_t[l] s_t + b_t[l])
    c_t = σ(R_c[l] s_t + b_c[l])
    s_t = h_t ⊙ t_t + s_t ⊙ c_t
    """
    (s_tm1,) = s
    h_t = tanh(p.W_h @ x_t + p.R_h[0] @ s_tm1 + p.b_h[0])
    t_t = sigmoid(p.W_t @ x_t + p.R_t[0] @ s_tm1 + p.b_t[0])
    c_t = sigmoid(p.W_c @ x_t + p.R_c[0] @ s_tm1 + p.b_c[0])
    s_t = h_t * t_t + s_tm1 * c_t
    for l in range(1, p.R_h.shape[0]):
        h_t = tanh(p.R_h[l] @ s_t + p.b_h[l])
        t_t = sigmoid(p.R_t[l] @ s_t + p.b_t[l])
        c_t = sigmoid(p.R_c[l] @ s_t + p.b_c[l])
        s_t = h_t * t_t + s_t * c_t
    return s_t, State(s_t)


source = Source(
    title="Recurrent Highway Networks",
    authors=("Julian Georg Zilly", "Rupesh Kumar Srivastava", "Jan Koutník", "Jürgen Schmidhuber"),
    year=2017,
    venue="Proceedings of the 34th International Conference on Machine Learning (ICML), PMLR 70:4189-4198",
    identifier="arXiv:1607.03474",
)
options = {"L": Option("depth", lambda _: 3, "highway layers that the state passes in one time step")}
init = {name: uniform(0.04) for name in Params._fields} | {"b_t": constant(-2.0)}

rhn = Cell(
    name="rhn",
    aliases=("recurrent_highway", "highway"),
    step=step,
    Params=Params,
    State=State,
    options=options,
    init=init,
    source=source,
    differs="nothing in the equations; the initialisation is that of the authors' code for Penn Treebank (transform "
    "biases -2; their code for enwik8 and text8 has -4)",
)

rhn_uncoupled = Cell(
    name="rhn_uncoupled",
    step=step_uncoupled,
    Params=UncoupledParams,
    State=State,
    options=options,
    init=init | {"W_c": uniform(0.04), "R_c": uniform(0.04), "b_c": constant(2.0)},
    source=source,
    differs="the paper gives the equations and no experiment; initialised as rhn, with carry biases +2, so that the carry "
    "gate starts where 1 - t does",
)
