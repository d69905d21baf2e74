"""Lie-group network: an input is a rotation, and the state is the product of the rotations so far.

    a_t = W x_t                                            coordinates of the input in the algebra so(H)
    A_t = Σ_k a_t[k] (T[k] - T[k]ᵀ)                        its element, a skew matrix
    G_t = exp(A_t) - 1                                     its rotation, less the identity
    Z_t = G_t + Z_{t-1} + G_t Z_{t-1}                      1 + Z_t = exp(A_t) (1 + Z_{t-1})
    y_t = the rows of Z_t, one after the other

Z is the product less the identity, so that a state of zeros is the identity of the group. An input of zeros changes nothing, the
negative of an input undoes it, and the order of inputs matters.

Source: our own reading of Cantrell, "The Emergent Algebraic Structure of RNNs and Embeddings in NLP", arXiv:1803.02839, 2018.
Differs: the paper's equations were not at hand. This is the class of networks that its abstract describes: words embed as
elements of a Lie group and the recurrent network is a representation of it; rotations are the group of the author's later
work. None of the paper's results is claimed for it.
"""

from typing import NamedTuple

from carrousel.cell import Cell, Float, Option, Source, Tensor, normal_by, uniform_by


class State(NamedTuple):
    Z: Float[Tensor, "H H"]  # product of the rotations so far, less the identity


class Params(NamedTuple):
    W: Float[Tensor, "J D"]
    T: Float[Tensor, "J H H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " O"], State]:
    """x_t and the state before it -> the rotation so far less the identity, row by row, and the state after it."""
    (Z_tm1,) = s
    a_t = p.W @ x_t
    A_t = (a_t[:, None, None] * (p.T - p.T.transpose(1, 2))).sum(0)
    G_t = exponential_less_identity(A_t)
    Z_t = G_t + Z_tm1 + G_t @ Z_tm1
    y_t = Z_t.flatten()
    return y_t, State(Z_t)


def exponential_less_identity(A: Float[Tensor, "H H"]) -> Float[Tensor, "H H"]:
    """exp(A) - 1, to rounding for skew matrices up to a norm of about 30.

    With B = A/64, exp(B) - 1 is its Taylor series B (1 + B/2 (1 + B/3 (...))) to order 12; squaring 1 + e six times is
    e ← 2e + e².
    """
    B = A / 64
    e = B / 12
    for order in range(11, 0, -1):
        e = (B + B @ e) / order
    for _ in range(6):
        e = 2 * e + e @ e
    return e


lie_group = Cell(
    name="lie_group",
    aliases=("lie_group_rnn",),
    step=step,
    Params=Params,
    State=State,
    output="O",
    options={
        "J": Option(
            "num_generators", lambda sizes: sizes["D"], "generators, the coordinates of an input in the algebra"
        )
    },
    derived={"O": lambda sizes: sizes["H"] ** 2},
    init={"W": uniform_by("D", 1.0), "T": normal_by("H", 0.5)},
    source=Source(
        title="The Emergent Algebraic Structure of RNNs and Embeddings in NLP",
        authors=("Sean A. Cantrell",),
        year=2018,
        venue="arXiv preprint",
        identifier="arXiv:1803.02839",
    ),
    differs="our own reading: the paper's equations were not at hand, and no figure of it is claimed. Built from its abstract: "
    "inputs are elements of a Lie algebra, states are transported by the group; the group is that of rotations, as in the "
    "author's later work",
)
