"""Nested LSTM: the memory of an LSTM cell is itself an LSTM cell, L levels deep.

Level 1 reads x = x_t and h = h_{t-1} with the weights W; the memory inside level l is level l + 1, which reads with the
weights V[l] what the memory of an LSTM adds up.

    i_t = σ(W_i x + R_i[l] h + b_i[l])               input gate, going in, for l = 1 … L
    f_t = σ(W_f x + R_f[l] h + b_f[l])               forget gate
    o_t = σ(W_o x + R_o[l] h + b_o[l])               output gate
    a_t = W_g x + R_g[l] h + b_g[l]
    g_t = tanh(a_t)                                  candidate; a_t itself at level 1 of several
    x, h = i_t ⊙ g_t, f_t ⊙ c_{t-1}[l]               what the memory is given
    c_t = h + x                                      memory of level L
    h_t = o_t ⊙ tanh(c_t)                            coming out, for l = L … 1: this is c_t of level l - 1

The output of the step is h_t of level 1. With one level this is the plain LSTM.

Source: Moniz and Krueger, "Nested LSTMs", ACML 2017, equations 9-19.
Differs: the biases, on which the paper is silent, start at zero and the forget gates' at 1 on every level, as in the code
hannw/nlstm (which has tanh at level 1 too); levels between the first and the last have tanh, and so has the only level of an
L of 1, where the paper's experiments stop at two levels.
"""

from typing import NamedTuple

from torch import sigmoid, stack, tanh

from carrousel.cell import Cell, Float, Option, Source, Tensor, constant, glorot_uniform, orthogonal


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state of level 1, also the output
    c: Float[Tensor, "L H"]  # memory of every level, the outermost first


class Params(NamedTuple):
    W_i: Float[Tensor, "H D"]
    V_i: Float[Tensor, "I H H"]
    R_i: Float[Tensor, "L H H"]
    b_i: Float[Tensor, "L H"]
    W_f: Float[Tensor, "H D"]
    V_f: Float[Tensor, "I H H"]
    R_f: Float[Tensor, "L H H"]
    b_f: Float[Tensor, "L H"]
    W_o: Float[Tensor, "H D"]
    V_o: Float[Tensor, "I H H"]
    R_o: Float[Tensor, "L H H"]
    b_o: Float[Tensor, "L H"]
    W_g: Float[Tensor, "H D"]
    V_g: Float[Tensor, "I H H"]
    R_g: Float[Tensor, "L H H"]
    b_g: Float[Tensor, "L H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t of level 1 and the state after it."""
    x, h = x_t, s.h
    W_i, W_f, W_o, W_g = p.W_i, p.W_f, p.W_o, p.W_g
    depth = s.c.shape[0]
    gates: list[Tensor] = []
    for l in range(depth):
        if l > 0:
            W_i, W_f, W_o, W_g = p.V_i[l - 1], p.V_f[l - 1], p.V_o[l - 1], p.V_g[l - 1]
        i_t = sigmoid(W_i @ x + p.R_i[l] @ h + p.b_i[l])
        f_t = sigmoid(W_f @ x + p.R_f[l] @ h + p.b_f[l])
        o_t = sigmoid(W_o @ x + p.R_o[l] @ h + p.b_o[l])
        a_t = W_g @ x + p.R_g[l] @ h + p.b_g[l]
        g_t = a_t if l == 0 < depth - 1 else tanh(a_t)
        x, h = i_t * g_t, f_t * s.c[l]
        gates.append(o_t)
    c_t = h + x
    memories = [c_t]
    for o_t in reversed(gates):
        h_t = o_t * tanh(memories[0])
        memories.insert(0, h_t)
    return memories[0], State(memories[0], stack(memories[1:]))


nested_lstm = Cell(
    name="nested_lstm",
    aliases=("nlstm",),
    step=step,
    Params=Params,
    State=State,
    options={"L": Option("depth", lambda _: 2, "levels: memories within memories; with 1 the plain LSTM")},
    derived={"I": lambda sizes: sizes["L"] - 1},
    init={
        name: init
        for gate in "ifog"
        for name, init in (
            (f"W_{gate}", glorot_uniform()),
            (f"V_{gate}", orthogonal()),
            (f"R_{gate}", orthogonal()),
            (f"b_{gate}", constant(1.0 if gate == "f" else 0.0)),
        )
    },
    source=Source(
        title="Nested LSTMs",
        authors=("Joel Ruben Antony Moniz", "David Krueger"),
        year=2017,
        venue="Proceedings of the Ninth Asian Conference on Machine Learning (ACML), PMLR 77:530-544",
        identifier="arXiv:1801.10308",
    ),
    differs="biases start at 0 and those of the forget gates at 1, on which the paper is silent; the candidate is linear at "
    "level 1, as in its experiments, and tanh at all others and where there is only one",
)
