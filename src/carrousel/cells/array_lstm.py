"""Array-LSTM: K memory lanes to each hidden unit, which share the unit's hidden state.

    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)         forget gates, one a lane and unit
    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)         input gates
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)         output gates
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)      candidates
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = Σ_k o_t[k] ⊙ tanh(c_t[k])

Everything but x_t and h_t is an array of K lanes by H units; W x_t and R h_{t-1} are matrix products lane by lane. The variants
of the paper choose among the lanes, and each step carries its own equations. In those that draw at random, u_t is a number
from [0, 1) for each lane and unit, and - log(- log u_t), Gumbel noise, makes argmax_k (a[k] - log(- log u_t[k])) a draw from
softmax_k a.

Source: Rocki, "Recurrent Memory Array Structures", arXiv:1607.03085, 2016: section 3.2, here, 4.1, 5.1 and 5.2.
Differs: where the paper is silent, see each cell. The stochastic cells always draw: the paper does not say what replaces the
draw after training.
"""

from typing import NamedTuple

from torch import log, ones_like, sigmoid, softmax, tanh, where, zeros_like

from carrousel.cell import Cell, Float, Option, Sizes, Source, Tensor, constant, glorot_uniform
from carrousel.errors import ConfigError


class State(NamedTuple):
    h: Float[Tensor, " H"]  # hidden state, also the output
    c: Float[Tensor, "K H"]  # cell states, lane by lane


class Params(NamedTuple):
    W_f: Float[Tensor, "K H D"]
    R_f: Float[Tensor, "K H H"]
    b_f: Float[Tensor, "K H"]
    W_i: Float[Tensor, "K H D"]
    R_i: Float[Tensor, "K H H"]
    b_i: Float[Tensor, "K H"]
    W_o: Float[Tensor, "K H D"]
    R_o: Float[Tensor, "K H H"]
    b_o: Float[Tensor, "K H"]
    W_g: Float[Tensor, "K H D"]
    R_g: Float[Tensor, "K H H"]
    b_g: Float[Tensor, "K H"]


def step(p: Params, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """x_t and the state before it -> h_t and the state after it."""
    h_tm1, c_tm1 = s
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = f_t * c_tm1 + i_t * g_t
    h_t = (o_t * tanh(c_t)).sum(0)
    return h_t, State(h_t, c_t)


class SelectionParams(NamedTuple):
    W_s: Float[Tensor, "K H D"]
    R_s: Float[Tensor, "K H H"]
    b_s: Float[Tensor, "K H"]
    W_f: Float[Tensor, "K H D"]
    R_f: Float[Tensor, "K H H"]
    b_f: Float[Tensor, "K H"]
    W_i: Float[Tensor, "K H D"]
    R_i: Float[Tensor, "K H H"]
    b_i: Float[Tensor, "K H"]
    W_o: Float[Tensor, "K H D"]
    R_o: Float[Tensor, "K H H"]
    b_o: Float[Tensor, "K H"]
    W_g: Float[Tensor, "K H D"]
    R_g: Float[Tensor, "K H H"]
    b_g: Float[Tensor, "K H"]


def step_soft(p: SelectionParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """Lane selection by soft attention; a forget gate of 1 erases. `array_lstm_soft_logits` is the other cell of this name.

    a_t = σ(W_s x_t + R_s h_{t-1} + b_s)
    s_t = softmax_k(a_t)
    f_t = s_t ⊙ σ(W_f x_t + R_f h_{t-1} + b_f)
    i_t = s_t ⊙ σ(W_i x_t + R_i h_{t-1} + b_i)
    o_t = s_t ⊙ σ(W_o x_t + R_o h_{t-1} + b_o)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = (1 - f_t) ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = Σ_k o_t[k] ⊙ tanh(c_t[k])
    """
    h_tm1, c_tm1 = s
    a_t = sigmoid(p.W_s @ x_t + p.R_s @ h_tm1 + p.b_s)
    s_t = softmax(a_t, 0)
    f_t = s_t * sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = s_t * sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = s_t * sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = (1 - f_t) * c_tm1 + i_t * g_t
    h_t = (o_t * tanh(c_t)).sum(0)
    return h_t, State(h_t, c_t)


def step_soft_logits(p: SelectionParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """Soft attention as in the author's code, without a squashing of the attention; the paper's is `array_lstm_soft`.

    a_t = W_s x_t + R_s h_{t-1} + b_s
    s_t = softmax_k(a_t)
    f_t = s_t ⊙ σ(W_f x_t + R_f h_{t-1} + b_f)
    i_t = s_t ⊙ σ(W_i x_t + R_i h_{t-1} + b_i)
    o_t = s_t ⊙ σ(W_o x_t + R_o h_{t-1} + b_o)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = (1 - f_t) ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = Σ_k o_t[k] ⊙ tanh(c_t[k])
    """
    h_tm1, c_tm1 = s
    a_t = p.W_s @ x_t + p.R_s @ h_tm1 + p.b_s
    s_t = softmax(a_t, 0)
    f_t = s_t * sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = s_t * sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = s_t * sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = (1 - f_t) * c_tm1 + i_t * g_t
    h_t = (o_t * tanh(c_t)).sum(0)
    return h_t, State(h_t, c_t)


def step_max(p: SelectionParams, x_t: Float[Tensor, " D"], s: State) -> tuple[Float[Tensor, " H"], State]:
    """The max pooling version: each unit works on the lane of its highest s_t alone, the others carry their contents on.

    a_t = σ(W_s x_t + R_s h_{t-1} + b_s)
    s_t = softmax_k(a_t)
    m_t = 1 where s_t = max_k s_t, else 0
    f_t = s_t ⊙ σ(W_f x_t + R_f h_{t-1} + b_f)
    i_t = s_t ⊙ σ(W_i x_t + R_i h_{t-1} + b_i)
    o_t = s_t ⊙ σ(W_o x_t + R_o h_{t-1} + b_o)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = m_t ⊙ ((1 - f_t) ⊙ c_{t-1} + i_t ⊙ g_t) + (1 - m_t) ⊙ c_{t-1}
    h_t = Σ_k m_t[k] ⊙ o_t[k] ⊙ tanh(c_t[k])
    """
    h_tm1, c_tm1 = s
    a_t = sigmoid(p.W_s @ x_t + p.R_s @ h_tm1 + p.b_s)
    s_t = softmax(a_t, 0)
    m_t = where(s_t == s_t.amax(0), ones_like(s_t), zeros_like(s_t))
    f_t = s_t * sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = s_t * sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = s_t * sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = m_t * ((1 - f_t) * c_tm1 + i_t * g_t) + (1 - m_t) * c_tm1
    h_t = (m_t * o_t * tanh(c_t)).sum(0)
    return h_t, State(h_t, c_t)


def step_pooled(
    p: Params, x_t: Float[Tensor, " D"], s: State, u_t: Float[Tensor, "K H"]
) -> tuple[Float[Tensor, " H"], State]:
    """Stochastic output pooling: all lanes are written, and each unit reads one, drawn from softmax_k(o_t).

    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)
    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    d_t = o_t - log(- log u_t)
    m_t = 1 where d_t = max_k d_t, else 0
    h_t = Σ_k m_t[k] ⊙ o_t[k] ⊙ tanh(c_t[k])
    """
    h_tm1, c_tm1 = s
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = f_t * c_tm1 + i_t * g_t
    d_t = o_t - log(-log(u_t))
    m_t = where(d_t == d_t.amax(0), ones_like(d_t), zeros_like(d_t))
    h_t = (m_t * o_t * tanh(c_t)).sum(0)
    return h_t, State(h_t, c_t)


def step_stochastic(
    p: Params, x_t: Float[Tensor, " D"], s: State, u_t: Float[Tensor, "K H"]
) -> tuple[Float[Tensor, " H"], State]:
    """Stochastic memory array: each unit works on one lane drawn evenly, the others carry their contents on.

    m_t = 1 where u_t = max_k u_t, else 0
    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)
    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = m_t ⊙ (f_t ⊙ c_{t-1} + i_t ⊙ g_t) + (1 - m_t) ⊙ c_{t-1}
    h_t = Σ_k m_t[k] ⊙ o_t[k] ⊙ tanh(c_t[k])
    """
    h_tm1, c_tm1 = s
    m_t = where(u_t == u_t.amax(0), ones_like(u_t), zeros_like(u_t))
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = m_t * (f_t * c_tm1 + i_t * g_t) + (1 - m_t) * c_tm1
    h_t = (m_t * o_t * tanh(c_t)).sum(0)
    return h_t, State(h_t, c_t)


def step_stochastic_half(
    p: Params, x_t: Float[Tensor, " D"], s: State, u_t: Float[Tensor, "K H"]
) -> tuple[Float[Tensor, " H"], State]:
    """Stochastic memory array with half the lanes at work: of each pair, lanes 2l and 2l + 1, one drawn evenly.

    m_t = 1 where u_t is the larger of its pair, else 0
    f_t = σ(W_f x_t + R_f h_{t-1} + b_f)
    i_t = σ(W_i x_t + R_i h_{t-1} + b_i)
    o_t = σ(W_o x_t + R_o h_{t-1} + b_o)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = m_t ⊙ (f_t ⊙ c_{t-1} + i_t ⊙ g_t) + (1 - m_t) ⊙ c_{t-1}
    h_t = Σ_k m_t[k] ⊙ o_t[k] ⊙ tanh(c_t[k])
    """
    h_tm1, c_tm1 = s
    pairs = u_t.reshape(-1, 2, u_t.shape[1])
    larger = pairs.amax(1, keepdim=True).expand_as(pairs).reshape(u_t.shape)
    m_t = where(u_t == larger, ones_like(u_t), zeros_like(u_t))
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = m_t * (f_t * c_tm1 + i_t * g_t) + (1 - m_t) * c_tm1
    h_t = (m_t * o_t * tanh(c_t)).sum(0)
    return h_t, State(h_t, c_t)


def step_hard(
    p: SelectionParams, x_t: Float[Tensor, " D"], s: State, u_t: Float[Tensor, "K H"]
) -> tuple[Float[Tensor, " H"], State]:
    """Stochastic hard attention: as `array_lstm_max`, on a lane drawn with the probabilities s_t.

    a_t = σ(W_s x_t + R_s h_{t-1} + b_s)
    s_t = softmax_k(a_t)
    d_t = a_t - log(- log u_t)
    m_t = 1 where d_t = max_k d_t, else 0
    f_t = s_t ⊙ σ(W_f x_t + R_f h_{t-1} + b_f)
    i_t = s_t ⊙ σ(W_i x_t + R_i h_{t-1} + b_i)
    o_t = s_t ⊙ σ(W_o x_t + R_o h_{t-1} + b_o)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = m_t ⊙ ((1 - f_t) ⊙ c_{t-1} + i_t ⊙ g_t) + (1 - m_t) ⊙ c_{t-1}
    h_t = Σ_k m_t[k] ⊙ o_t[k] ⊙ tanh(c_t[k])
    """
    h_tm1, c_tm1 = s
    a_t = sigmoid(p.W_s @ x_t + p.R_s @ h_tm1 + p.b_s)
    s_t = softmax(a_t, 0)
    d_t = a_t - log(-log(u_t))
    m_t = where(d_t == d_t.amax(0), ones_like(d_t), zeros_like(d_t))
    f_t = s_t * sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = s_t * sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = s_t * sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    c_t = m_t * ((1 - f_t) * c_tm1 + i_t * g_t) + (1 - m_t) * c_tm1
    h_t = (m_t * o_t * tanh(c_t)).sum(0)
    return h_t, State(h_t, c_t)


def step_semi_hard(
    p: SelectionParams, x_t: Float[Tensor, " D"], s: State, u_t: Float[Tensor, "K H"]
) -> tuple[Float[Tensor, " H"], State]:
    """Semi-hard attention: the numbers of `array_lstm_hard`, the derivatives of `array_lstm_soft`.

    a_t = σ(W_s x_t + R_s h_{t-1} + b_s)
    s_t = softmax_k(a_t)
    d_t = a_t - log(- log u_t)
    m_t = 1 where d_t = max_k d_t, else 0
    f_t = s_t ⊙ σ(W_f x_t + R_f h_{t-1} + b_f)
    i_t = s_t ⊙ σ(W_i x_t + R_i h_{t-1} + b_i)
    o_t = s_t ⊙ σ(W_o x_t + R_o h_{t-1} + b_o)
    g_t = tanh(W_g x_t + R_g h_{t-1} + b_g)
    c_t = m_t ⊙ ((1 - f_t) ⊙ c_{t-1} + i_t ⊙ g_t) + (1 - m_t) ⊙ c_{t-1}
    h_t = Σ_k m_t[k] ⊙ o_t[k] ⊙ tanh(c_t[k])

    Backwards c_t and h_t are those of all lanes, as with an m_t of 1: what makes the difference is held constant.
    """
    h_tm1, c_tm1 = s
    a_t = sigmoid(p.W_s @ x_t + p.R_s @ h_tm1 + p.b_s)
    s_t = softmax(a_t, 0)
    d_t = a_t - log(-log(u_t))
    m_t = where(d_t == d_t.amax(0), ones_like(d_t), zeros_like(d_t))
    f_t = s_t * sigmoid(p.W_f @ x_t + p.R_f @ h_tm1 + p.b_f)
    i_t = s_t * sigmoid(p.W_i @ x_t + p.R_i @ h_tm1 + p.b_i)
    o_t = s_t * sigmoid(p.W_o @ x_t + p.R_o @ h_tm1 + p.b_o)
    g_t = tanh(p.W_g @ x_t + p.R_g @ h_tm1 + p.b_g)
    updated = (1 - f_t) * c_tm1 + i_t * g_t
    outputs = o_t * tanh(updated)
    c_t = updated + ((1 - m_t) * (c_tm1 - updated)).detach()
    h_t = (outputs + ((m_t - 1) * outputs).detach()).sum(0)
    return h_t, State(h_t, c_t)


source = Source(
    title="Recurrent Memory Array Structures",
    authors=("Kamil Rocki",),
    year=2016,
    venue="arXiv preprint",
    identifier="arXiv:1607.03085",
)
lanes = {"K": Option("lanes", lambda _: 2, "memory lanes of each hidden unit")}
zero = constant(0.0)
init = (
    {name: glorot_uniform("D", "H") for name in ("W_f", "W_i", "W_o", "W_g")}
    | {name: glorot_uniform("H", "H") for name in ("R_f", "R_i", "R_o", "R_g")}
    | {"b_f": constant(1.0), "b_i": zero, "b_o": zero, "b_g": zero}
)
selection_init = init | {
    "W_s": glorot_uniform("D", "H"),
    "R_s": glorot_uniform("H", "H"),
    "b_s": zero,
    "b_f": constant(-1.0),
}
started = "initialised as Glorot gate by gate and lane by lane, forget biases 1, the other biases 0"
inverted = (
    "initialised as Glorot gate by gate and lane by lane, forget biases -1 as in the author's code, since a forget gate of 1 "
    "erases here (the paper says 1), the other biases 0"
)
drawn = "lanes are drawn in use as in training, on which the paper is silent; lanes that draw the same number are all chosen"


def even_lanes(sizes: Sizes) -> int:
    """The number of lanes, refused when it is odd."""
    if sizes["K"] % 2:
        raise ConfigError(
            f"array_lstm_stochastic_half: lanes={sizes['K']}, expected an even number, because lanes work in pairs. "
            f"Use lanes={sizes['K'] + 1}."
        )
    return sizes["K"]


array_lstm = Cell(
    name="array_lstm",
    step=step,
    Params=Params,
    State=State,
    options=lanes,
    init=init,
    source=source,
    differs=started,
)
array_lstm_soft = Cell(
    name="array_lstm_soft",
    step=step_soft,
    Params=SelectionParams,
    State=State,
    options=lanes,
    init=selection_init,
    source=source,
    differs=inverted,
)
array_lstm_soft_logits = Cell(
    name="array_lstm_soft_logits",
    step=step_soft_logits,
    Params=SelectionParams,
    State=State,
    options=lanes,
    init=selection_init,
    source=source,
    differs=f"no squashing of the attention before the softmax, as in the author's code; {inverted}",
)
array_lstm_max = Cell(
    name="array_lstm_max",
    step=step_max,
    Params=SelectionParams,
    State=State,
    options=lanes,
    init=selection_init,
    source=source,
    differs=f"{inverted}; the chosen lane's gates are scaled by s_t as in array_lstm_soft, and errors reach the attention of "
    "all lanes through the softmax; lanes of equal s_t are all chosen",
)
array_lstm_pooled = Cell(
    name="array_lstm_pooled",
    step=step_pooled,
    Params=Params,
    State=State,
    options=lanes,
    init=init,
    source=source,
    differs=f"{started}; {drawn}",
)
array_lstm_stochastic = Cell(
    name="array_lstm_stochastic",
    step=step_stochastic,
    Params=Params,
    State=State,
    options=lanes,
    init=init,
    source=source,
    differs=f"{started}; {drawn}",
)
array_lstm_stochastic_half = Cell(
    name="array_lstm_stochastic_half",
    step=step_stochastic_half,
    Params=Params,
    State=State,
    options=lanes,
    derived={"K": even_lanes},
    init=init,
    source=source,
    differs=f"each unit draws each of its pairs by itself; {started}; {drawn}",
)
array_lstm_hard = Cell(
    name="array_lstm_hard",
    step=step_hard,
    Params=SelectionParams,
    State=State,
    options=lanes,
    init=selection_init,
    source=source,
    differs=f"the probabilities of the draw are read as s_t, and the chosen lane's gates are scaled by s_t as in "
    f"array_lstm_soft; errors reach the attention of all lanes through that softmax; {inverted}; {drawn}",
)
array_lstm_semi_hard = Cell(
    name="array_lstm_semi_hard",
    step=step_semi_hard,
    Params=SelectionParams,
    State=State,
    options=lanes,
    init=selection_init,
    source=source,
    differs=f"the probabilities of the draw are read as s_t, and the chosen lane's gates are scaled by s_t as in "
    f"array_lstm_soft; {inverted}; {drawn}",
)
