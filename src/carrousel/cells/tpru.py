"""TPRU: a state of tensor products; what the input and the state hold is unbound, weighted role by role, and bound again.

    R = V W_rᵀ + b_r                                                               binding roles, one a row
    U = V W_uᵀ + b_u                                                               unbinding vectors, one a row
    a_t = relu(U (W_fx x_t + b_fx) + β_x) + relu(U (W_fh h_{t-1} + b_fh) + β_h)    what each role holds
    q_t = a_t ⊙ a_t
    w_t = q_t / max(Σ q_t, 1e-7)                                                   weights of the roles, their sum is 1
    n_t = Rᵀ w_t                                                                   candidate
    g_t = σ(W_gx x_t + b_gx + W_gh h_{t-1} + b_gh)                                 update gate
    h_t = g_t ⊙ n_t + (1 - g_t) ⊙ h_{t-1}

V holds one random row a role and is never trained, so that the number of trained parameters does not grow with the roles.

Source: Tang, Smolensky and de Sa, "Learning Distributed Representations of Symbolic Structure Using Binding and Unbinding
Operations", arXiv:1810.12456, 2018.
Differs: written from the authors' code in its last form (May 2019, version 5 of the preprint), initialised like it; the
equations of other versions of the preprint may differ.
"""

from typing import NamedTuple

from torch import relu, sigmoid

from carrousel.cell import Cell, Float, Initialiser, Option, Source, Tensor, constant, uniform_hidden


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output


class Params(NamedTuple):
    V: Float[Tensor, "R H"]
    W_r: Float[Tensor, "H H"]
    b_r: Float[Tensor, " H"]
    W_u: Float[Tensor, "H H"]
    b_u: Float[Tensor, " H"]
    W_fx: Float[Tensor, "H D"]
    b_fx: Float[Tensor, " H"]
    beta_x: Float[Tensor, ""]
    W_fh: Float[Tensor, "H H"]
    b_fh: Float[Tensor, " H"]
    beta_h: Float[Tensor, ""]
    W_gx: Float[Tensor, "H D"]
    b_gx: Float[Tensor, " H"]
    W_gh: Float[Tensor, "H H"]
    b_gh: Float[Tensor, " H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    (h_tm1,) = s
    R = p.V @ p.W_r.T + p.b_r
    U = p.V @ p.W_u.T + p.b_u
    a_t = relu(U @ (p.W_fx @ x_t + p.b_fx) + p.beta_x) + relu(U @ (p.W_fh @ h_tm1 + p.b_fh) + p.beta_h)
    q_t = a_t * a_t
    w_t = q_t / q_t.sum().clamp(min=1e-7)
    n_t = R.T @ w_t
    g_t = sigmoid(p.W_gx @ x_t + p.b_gx + p.W_gh @ h_tm1 + p.b_gh)
    h_t = g_t * n_t + (1 - g_t) * h_tm1
    return h_t, State(h_t)


tpru = Cell(
    name="tpru",
    aliases=("tensor_product_recurrent_unit",),
    step=step,
    Params=Params,
    State=State,
    options={"R": Option("num_roles", lambda sizes: 2 * sizes["H"], "roles that a state can bind")},
    init={name: uniform_hidden("D" if name.endswith("x") else "H") for name in Params._fields}
    | {
        "V": Initialiser(
            "N(0, 1) (fixed)", lambda tensor, _, generator: tensor.normal_(generator=generator), is_fixed=True
        ),
        "beta_x": constant(1.0),
        "beta_h": constant(1.0),
    },
    source=Source(
        title="Learning Distributed Representations of Symbolic Structure Using Binding and Unbinding Operations",
        authors=("Shuai Tang", "Paul Smolensky", "Virginia R. de Sa"),
        year=2018,
        venue="arXiv preprint",
        identifier="arXiv:1810.12456",
    ),
    differs="written from the authors' code in its last form (May 2019, version 5 of the preprint) and initialised like it; "
    "twice as many roles as hidden units unless chosen",
)
