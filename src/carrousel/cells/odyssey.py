"""The eight variants of the LSTM with peepholes that "LSTM: A Search Space Odyssey" compares, one change each.

The vanilla LSTM that they vary is `peephole_lstm`; what is left of it here:

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)         input gate
    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)         forget gate
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)                      block input
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)             output gate, sees the new cell state
    h_t = o_t ⊙ tanh(c_t)

Each step carries its own equations.

Source: Greff, Srivastava, Koutník, Steunebrink and Schmidhuber, "LSTM: A Search Space Odyssey", IEEE Transactions on Neural
Networks and Learning Systems 28(10), 2017.
Differs: the paper's block input z is called g here, and its y is h; the initialisation, a normal distribution with standard
deviation 0.1, is the paper's as we remember it.
"""

from typing import NamedTuple

from torch import sigmoid, tanh

from carrousel.cell import Cell, Float, Source, Tensor, normal


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel


class Params(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    p_i: Float[Tensor, " H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    p_f: Float[Tensor, " H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    p_o: Float[Tensor, " H"]
    b_o: Float[Tensor, " H"]


class NoInputGateParams(NamedTuple):
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    p_f: Float[Tensor, " H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    p_o: Float[Tensor, " H"]
    b_o: Float[Tensor, " H"]


def step_nig(p: NoInputGateParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """NIG, no input gate: i_t = 1.

    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = f_t ⊙ c_{t-1} + g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1 = s
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.p_f * c_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = f_t * c_tm1 + g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.p_o * c_t + p.b_o)
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


class NoForgetGateParams(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    p_i: Float[Tensor, " H"]
    b_i: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    p_o: Float[Tensor, " H"]
    b_o: Float[Tensor, " H"]


def step_nfg(p: NoForgetGateParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """NFG, no forget gate: f_t = 1.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.p_i * c_tm1 + p.b_i)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = c_tm1 + i_t * g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.p_o * c_t + p.b_o)
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


class NoOutputGateParams(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    p_i: Float[Tensor, " H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    p_f: Float[Tensor, " H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]


def step_nog(p: NoOutputGateParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """NOG, no output gate: o_t = 1.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = tanh(c_t)
    """
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.p_i * c_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.p_f * c_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = f_t * c_tm1 + i_t * g_t
    h_t = tanh(c_t)
    return h_t, State(h_t, c_t)


def step_niaf(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """NIAF, no input activation function: the block input is linear.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)
    g_t = W_g x_t + R_g h_{t-1} + b_g
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.p_i * c_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.p_f * c_tm1 + p.b_f)
    g_t = p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g
    c_t = f_t * c_tm1 + i_t * g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.p_o * c_t + p.b_o)
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


def step_noaf(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """NOAF, no output activation function: the output is the gated cell state itself, without bound.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)
    h_t = o_t ⊙ c_t
    """
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.p_i * c_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.p_f * c_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = f_t * c_tm1 + i_t * g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.p_o * c_t + p.b_o)
    h_t = o_t * c_t
    return h_t, State(h_t, c_t)


class NoPeepholeParams(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    b_o: Float[Tensor, " H"]


def step_np(p: NoPeepholeParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """NP, no peepholes: the step of `lstm`.

    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = f_t * c_tm1 + i_t * g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


def step_cifg(p: NoForgetGateParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """CIFG, coupled input and forget gate: f_t = 1 - i_t.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = (1 - i_t) ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + b_o)
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1 = s
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.p_i * c_tm1 + p.b_i)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = (1 - i_t) * c_tm1 + i_t * g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.p_o * c_t + p.b_o)
    h_t = o_t * tanh(c_t)
    return h_t, State(h_t, c_t)


class GateState(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, " H"]  # cell state, the constant error carrousel
    i: Float[Tensor, " H"]  # input gates
    f: Float[Tensor, " H"]  # forget gates
    o: Float[Tensor, " H"]  # output gates


class GateRecurrenceParams(NamedTuple):
    W_i: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    p_i: Float[Tensor, " H"]
    Q_ii: Float[Tensor, "H H"]  # Q_ab: to gate a from gate b, the paper's R_ba
    Q_if: Float[Tensor, "H H"]
    Q_io: Float[Tensor, "H H"]
    b_i: Float[Tensor, " H"]
    W_f: Float[Tensor, "H D"]
    R_f: Float[Tensor, "H H"]
    p_f: Float[Tensor, " H"]
    Q_fi: Float[Tensor, "H H"]
    Q_ff: Float[Tensor, "H H"]
    Q_fo: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    W_g: Float[Tensor, "H D"]
    R_g: Float[Tensor, "H H"]
    b_g: Float[Tensor, " H"]
    W_o: Float[Tensor, "H D"]
    R_o: Float[Tensor, "H H"]
    p_o: Float[Tensor, " H"]
    Q_oi: Float[Tensor, "H H"]
    Q_of: Float[Tensor, "H H"]
    Q_oo: Float[Tensor, "H H"]
    b_o: Float[Tensor, " H"]


def step_fgr(p: GateRecurrenceParams, x_t: Float[Tensor, " D"], s: GateState) -> tuple[Float[Tensor, " H"], GateState]:
    """FGR, full gate recurrence: every gate also reads all gates of the step before.

    i_t = σ(W_i x_t + R_i h_{t-1} + p_i ⊙ c_{t-1} + Q_ii i_{t-1} + Q_if f_{t-1} + Q_io o_{t-1} + b_i)
    f_t = σ(W_f x_t + R_f h_{t-1} + p_f ⊙ c_{t-1} + Q_fi i_{t-1} + Q_ff f_{t-1} + Q_fo o_{t-1} + b_f)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    o_t = σ(W_o x_t + R_o h_{t-1} + p_o ⊙ c_t + Q_oi i_{t-1} + Q_of f_{t-1} + Q_oo o_{t-1} + b_o)
    h_t = o_t ⊙ tanh(c_t)
    """
    h_tm1, c_tm1, i_tm1, f_tm1, o_tm1 = s
    i_t = sigmoid(
        p.W_i @ x_t + p.R_i @ h_tm1 + p.p_i * c_tm1 + p.Q_ii @ i_tm1 + p.Q_if @ f_tm1 + p.Q_io @ o_tm1 + p.b_i
    )
    f_t = sigmoid(
        p.W_f @ x_t + p.R_f @ h_tm1 + p.p_f * c_tm1 + p.Q_fi @ i_tm1 + p.Q_ff @ f_tm1 + p.Q_fo @ o_tm1 + p.b_f
    )
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = f_t * c_tm1 + i_t * g_t
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.p_o * c_t + p.Q_oi @ i_tm1 + p.Q_of @ f_tm1 + p.Q_oo @ o_tm1 + p.b_o)
    h_t = o_t * tanh(c_t)
    return h_t, GateState(h_t, c_t, i_t, f_t, o_t)


source = Source(
    title="LSTM: A Search Space Odyssey",
    authors=(
        "Klaus Greff",
        "Rupesh K. Srivastava",
        "Jan Koutník",
        "Bas R. Steunebrink",
        "Jürgen Schmidhuber",
    ),
    year=2017,
    venue="IEEE Transactions on Neural Networks and Learning Systems 28(10):2222-2232",
    identifier="arXiv:1503.04069",
)
differs = (
    "the start, a normal distribution with standard deviation 0.1 for all parameters, is the paper's as we remember it"
)

odyssey_nig = Cell(
    name="odyssey_nig",
    aliases=("no_input_gate_lstm",),
    step=step_nig,
    Params=NoInputGateParams,
    State=State,
    init={name: normal(0.1) for name in NoInputGateParams._fields},
    source=source,
    differs=differs,
)
odyssey_nfg = Cell(
    name="odyssey_nfg",
    aliases=("no_forget_gate_lstm",),
    step=step_nfg,
    Params=NoForgetGateParams,
    State=State,
    init={name: normal(0.1) for name in NoForgetGateParams._fields},
    source=source,
    differs=differs,
)
odyssey_nog = Cell(
    name="odyssey_nog",
    aliases=("no_output_gate_lstm",),
    step=step_nog,
    Params=NoOutputGateParams,
    State=State,
    init={name: normal(0.1) for name in NoOutputGateParams._fields},
    source=source,
    differs=differs,
)
odyssey_niaf = Cell(
    name="odyssey_niaf",
    aliases=("no_input_activation_lstm",),
    step=step_niaf,
    Params=Params,
    State=State,
    init={name: normal(0.1) for name in Params._fields},
    source=source,
    differs=differs,
)
odyssey_noaf = Cell(
    name="odyssey_noaf",
    aliases=("no_output_activation_lstm",),
    step=step_noaf,
    Params=Params,
    State=State,
    init={name: normal(0.1) for name in Params._fields},
    source=source,
    differs=differs,
)
odyssey_np = Cell(
    name="odyssey_np",
    aliases=("no_peephole_lstm",),
    step=step_np,
    Params=NoPeepholeParams,
    State=State,
    init={name: normal(0.1) for name in NoPeepholeParams._fields},
    source=source,
    differs=differs,
)
odyssey_cifg = Cell(
    name="odyssey_cifg",
    aliases=("cifg_lstm",),
    step=step_cifg,
    Params=NoForgetGateParams,
    State=State,
    init={name: normal(0.1) for name in NoForgetGateParams._fields},
    source=source,
    differs=differs,
)
odyssey_fgr = Cell(
    name="odyssey_fgr",
    aliases=("full_gate_recurrence_lstm",),
    step=step_fgr,
    Params=GateRecurrenceParams,
    State=GateState,
    init={name: normal(0.1) for name in GateRecurrenceParams._fields},
    source=source,
    differs=differs,
)
