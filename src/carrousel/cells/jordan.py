"""Jordan's network: the output, not the hidden layer, is fed back through decaying state units.

    s_t = μ s_{t-1} + y_{t-1}                    state units
    h_t = tanh(W x_t + U s_t + b)                hidden layer
    y_t = tanh(V h_t + d)                        output

Source: Jordan, "Serial Order: A Parallel Distributed Processing Approach", ICS Report 8604, UC San Diego, 1986.
Differs: tanh in place of the logistic function, μ = 0.5 where the report leaves it to the task, and uniform
initialisation; the gradient runs through all time steps.
"""

from typing import NamedTuple

from torch import tanh

from carrousel.cell import Cell, Float, Option, Source, Tensor, constant, uniform_hidden


class State(NamedTuple):
    s: Float[Tensor, " O"]  # state units
    y: Float[Tensor, " O"]  # output


class Params(NamedTuple):
    W: Float[Tensor, "H D"]
    U: Float[Tensor, "H O"]
    b: Float[Tensor, " H"]
    V: Float[Tensor, "O H"]
    d: Float[Tensor, " O"]
    mu: Float[Tensor, ""]  # decay of the state units, fixed


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " O"], State]:
    """x_t and the state before it -> y_t and the state after it."""
    s_tm1, y_tm1 = s
    s_t = p.mu * s_tm1 + y_tm1
    h_t = tanh(p.W @ x_t + p.U @ s_t + p.b)
    y_t = tanh(p.V @ h_t + p.d)
    return y_t, State(s_t, y_t)


jordan = Cell(
    name="jordan",
    step=step,
    Params=Params,
    State=State,
    output="O",
    options={"O": Option("output_size", lambda sizes: sizes["H"], "number of output units, which are fed back")},
    init={name: uniform_hidden() for name in Params._fields} | {"mu": constant(0.5, is_fixed=True)},
    source=Source(
        title="Serial Order: A Parallel Distributed Processing Approach",
        authors=("Michael I. Jordan",),
        year=1986,
        venue="ICS Report 8604, Institute for Cognitive Science, University of California, San Diego",
    ),
    differs="tanh instead of the logistic function, decay 0.5 where the report leaves it to the task, uniform "
    "initialisation, and the gradient through all time steps",
)
