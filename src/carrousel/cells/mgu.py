"""Minimal gated units: one gate in both places where the GRU has two; and three forms with a simpler gate.

The candidate and the new state are the same in all four:

    n_t = tanh(W_n x_t + R_n (f_t ⊙ h_{t-1}) + b_n)
    h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ n_t

Each step carries its own equations. f_t is called the forget gate, but f_t = 0 keeps the state.

Source: Zhou, Wu, Zhang and Zhou, "Minimal Gated Unit for Recurrent Neural Networks", International Journal of Automation and
Computing 13(3), 2016 (mgu); Heck and Salem, "Simplified Minimal Gated Unit Variations for Recurrent Neural Networks", MWSCAS
2017 (mgu1, mgu2, mgu3).
Differs: all parameters start uniform within ±1/√H; the equations of mgu are those that other libraries document for it, the gates
of the other three are from memory.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class MguParams(NamedTuple):
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    b_n: Float[Tensor, " H"]


def step_mgu(p: MguParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """MGU: the gate sees the input and the state.

    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)
    n_t = tanh(W_n x_t + R_n (f_t ⊙ h_{t-1}) + b_n)
    h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ n_t
    """
    (h_tm1,) = s
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    n_t = tanh(p.W_n @ x_t + p.R_n @ (f_t * h_tm1) + p.b_n)
    h_t = (1 - f_t) * h_tm1 + f_t * n_t
    return h_t, State(h_t)


class Mgu1Params(NamedTuple):
    R_f: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    b_n: Float[Tensor, " H"]


def step_mgu1(p: Mgu1Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """MGU1: the gate does not see the input.

    f_t = σ(R_f h_{t-1} + b_f)
    n_t = tanh(W_n x_t + R_n (f_t ⊙ h_{t-1}) + b_n)
    h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ n_t
    """
    (h_tm1,) = s
    f_t = sigmoid(p.R_f @ h_tm1 + p.b_f)
    n_t = tanh(p.W_n @ x_t + p.R_n @ (f_t * h_tm1) + p.b_n)
    h_t = (1 - f_t) * h_tm1 + f_t * n_t
    return h_t, State(h_t)


class Mgu2Params(NamedTuple):
    R_f: Float[Tensor, "H H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    b_n: Float[Tensor, " H"]


def step_mgu2(p: Mgu2Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """MGU2: the gate sees the state alone, without a bias.

    f_t = σ(R_f h_{t-1})
    n_t = tanh(W_n x_t + R_n (f_t ⊙ h_{t-1}) + b_n)
    h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ n_t
    """
    (h_tm1,) = s
    f_t = sigmoid(p.R_f @ h_tm1)
    n_t = tanh(p.W_n @ x_t + p.R_n @ (f_t * h_tm1) + p.b_n)
    h_t = (1 - f_t) * h_tm1 + f_t * n_t
    return h_t, State(h_t)


class Mgu3Params(NamedTuple):
    b_f: Float[Tensor, " H"]
    W_n: Float[Tensor, "H D"]
    R_n: Float[Tensor, "H H"]
    b_n: Float[Tensor, " H"]


def step_mgu3(p: Mgu3Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """MGU3: the gate sees neither: one learned opening a unit.

    f_t = σ(b_f)
    n_t = tanh(W_n x_t + R_n (f_t ⊙ h_{t-1}) + b_n)
    h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ n_t
    """
    (h_tm1,) = s
    f_t = sigmoid(p.b_f)
    n_t = tanh(p.W_n @ x_t + p.R_n @ (f_t * h_tm1) + p.b_n)
    h_t = (1 - f_t) * h_tm1 + f_t * n_t
    return h_t, State(h_t)


source_of_mgu = Source(
    title="Minimal Gated Unit for Recurrent Neural Networks",
    authors=("Guo-Bing Zhou", "Jianxin Wu", "Chen-Lin Zhang", "Zhi-Hua Zhou"),
    year=2016,
    venue="International Journal of Automation and Computing 13(3):226-234",
    identifier="arXiv:1603.09420",
)
source_of_variations = Source(
    title="Simplified Minimal Gated Unit Variations for Recurrent Neural Networks",
    authors=("Joel C. Heck", "Fathi M. Salem"),
    year=2017,
    venue="IEEE 60th International Midwest Symposium on Circuits and Systems (MWSCAS)",
    identifier="arXiv:1701.03452",
)
start = "all parameters start uniform within ±1/√H"

mgu = Cell(
    name="mgu",
    aliases=("minimal_gated_unit",),
    step=step_mgu,
    Params=MguParams,
    State=State,
    init={name: uniform_hidden() for name in MguParams._fields},
    source=source_of_mgu,
    differs=f"{start}; the equations are those that other libraries document for the paper",
)
mgu1 = Cell(
    name="mgu1",
    step=step_mgu1,
    Params=Mgu1Params,
    State=State,
    init={name: uniform_hidden() for name in Mgu1Params._fields},
    source=source_of_variations,
    differs=f"{start}; the gate's equation is from memory",
)
mgu2 = Cell(
    name="mgu2",
    step=step_mgu2,
    Params=Mgu2Params,
    State=State,
    init={name: uniform_hidden() for name in Mgu2Params._fields},
    source=source_of_variations,
    differs=f"{start}; the gate's equation is from memory",
)
mgu3 = Cell(
    name="mgu3",
    step=step_mgu3,
    Params=Mgu3Params,
    State=State,
    init={name: uniform_hidden() for name in Mgu3Params._fields},
    source=source_of_variations,
    differs=f"{start}; the gate's equation is from memory",
)
