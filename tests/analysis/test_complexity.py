"""The architectural measures: the paper's architectures as steps, and brute-force unrolling of the catalogue's cells."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import inf
from typing import Any, NamedTuple

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, sigmoid, tanh

from carrousel.analysis.complexity import Complexity, complexity, max_cycle_mean
from carrousel.analysis.stacks import stacked
from carrousel.cell import annotated_axes
from carrousel.cells import CELLS, find
from carrousel.engine import trace_cell
from carrousel.engine.graph import Graph
from carrousel.engine.trace import trace
from carrousel.errors import ConfigError


class One(NamedTuple):
    a: Float[Tensor, " H"]


class Two(NamedTuple):
    a: Float[Tensor, " H"]
    b: Float[Tensor, " H"]


class Three(NamedTuple):
    a: Float[Tensor, " H"]
    b: Float[Tensor, " H"]
    c: Float[Tensor, " H"]


class Four(NamedTuple):
    a: Float[Tensor, " H"]
    b: Float[Tensor, " H"]
    c: Float[Tensor, " H"]
    d: Float[Tensor, " H"]


class Weights(NamedTuple):
    W: Float[Tensor, "H D"]
    R: Float[Tensor, "H H"]
    U: Float[Tensor, "H H"]
    V: Float[Tensor, "H H"]


Step = Callable[[Weights, Tensor, Any], tuple[Tensor, Any]]


def one_layer(p: Weights, x_t: Tensor, s: One) -> tuple[Tensor, One]:
    h_t = tanh(p.W @ x_t + p.R @ s.a)
    return h_t, One(h_t)


def stack_of_two(p: Weights, x_t: Tensor, s: Two) -> tuple[Tensor, Two]:
    a_t = tanh(p.W @ x_t + p.R @ s.a)
    b_t = tanh(p.U @ a_t + p.V @ s.b)
    return b_t, Two(a_t, b_t)


def top_down(p: Weights, x_t: Tensor, s: Two) -> tuple[Tensor, Two]:
    a_t = tanh(p.W @ x_t + p.R @ s.a + p.R @ s.b)
    b_t = tanh(p.U @ a_t + p.V @ s.b)
    return b_t, Two(a_t, b_t)


def delayed_bottom_up(p: Weights, x_t: Tensor, s: Two) -> tuple[Tensor, Two]:
    a_t = tanh(p.W @ x_t + p.R @ s.a)
    b_t = tanh(p.U @ a_t + p.V @ s.b + p.U @ s.a)
    return b_t, Two(a_t, b_t)


def gated_feedback(p: Weights, x_t: Tensor, s: Three) -> tuple[Tensor, Three]:
    before = p.R @ s.a + p.R @ s.b + p.R @ s.c
    a_t = tanh(p.W @ x_t + before)
    b_t = tanh(p.U @ a_t + before)
    c_t = tanh(p.V @ b_t + before)
    return c_t, Three(a_t, b_t, c_t)


def deep_transition(p: Weights, x_t: Tensor, s: One) -> tuple[Tensor, One]:
    u_t = tanh(p.W @ x_t + p.R @ s.a)
    v_t = tanh(p.U @ u_t)
    h_t = tanh(p.V @ v_t)
    return h_t, One(h_t)


def deep_transition_with_shortcut(p: Weights, x_t: Tensor, s: One) -> tuple[Tensor, One]:
    u_t = tanh(p.W @ x_t + p.R @ s.a)
    v_t = tanh(p.U @ u_t)
    h_t = tanh(p.V @ v_t + p.R @ s.a)
    return h_t, One(h_t)


def skip_of_three(p: Weights, x_t: Tensor, s: Three) -> tuple[Tensor, Three]:
    h_t = tanh(p.W @ x_t + p.R @ s.a + p.U @ s.c)
    return h_t, Three(h_t, s.a, s.b)


def three_steps_only(p: Weights, x_t: Tensor, s: Three) -> tuple[Tensor, Three]:
    h_t = tanh(p.W @ x_t + p.R @ s.c)
    return h_t, Three(h_t, s.a, s.b)


def narx_of_four(p: Weights, x_t: Tensor, s: Four) -> tuple[Tensor, Four]:
    h_t = tanh(p.W @ x_t + p.R @ s.a + p.U @ s.b + p.V @ s.c + p.R @ s.d)
    return h_t, Four(h_t, s.a, s.b, s.c)


def dilated_stack(p: Weights, x_t: Tensor, s: Any) -> tuple[Tensor, Any]:
    """Layers with dilations 1, 2 and 4: a, b with one past value more, c with three more."""
    a_t = tanh(p.W @ x_t + p.R @ s.a)
    b_t = tanh(p.U @ a_t + p.R @ s.b2)
    c_t = tanh(p.V @ b_t + p.R @ s.c4)
    return c_t, Dilated(a_t, b_t, s.b, c_t, s.c, s.c2, s.c3)


class Dilated(NamedTuple):
    a: Float[Tensor, " H"]
    b: Float[Tensor, " H"]
    b2: Float[Tensor, " H"]
    c: Float[Tensor, " H"]
    c2: Float[Tensor, " H"]
    c3: Float[Tensor, " H"]
    c4: Float[Tensor, " H"]


def traced(step: Step, state: type[Any]) -> Graph:
    sizes = {"D": 2, "H": 2}
    return trace(step.__name__, step, Weights, annotated_axes(Weights), state, annotated_axes(state), sizes)


def measured(name: str, size: int = 2) -> Complexity:
    return complexity(trace_cell(find(name), find(name).sizes(size, size)))


# Values of table 1 and of sections 3 and 4 of the paper, for k = 3 where it leaves k open.
@pytest.mark.tiny
@pytest.mark.parametrize(
    ("step", "state", "recurrent", "feedforward", "skip"),
    [
        (one_layer, One, 1, 2, 1),
        (stack_of_two, Two, 1, 3, 1),
        (top_down, Two, 2, 3, 1),
        (delayed_bottom_up, Two, 1, 3, 1),
        (gated_feedback, Three, 3, 4, 1),
        (deep_transition, One, 3, 4, Fraction(1, 3)),
        (deep_transition_with_shortcut, One, 3, 4, 1),
        (skip_of_three, Three, 1, 2, 3),
        (three_steps_only, Three, Fraction(1, 3), 2, 3),
        (narx_of_four, Four, 1, 2, 4),
        (dilated_stack, Dilated, 1, 4, 4),
    ],
)
def test_the_papers_architectures_have_the_papers_values(
    step: Step, state: type[Any], recurrent: int | Fraction, feedforward: int, skip: int | Fraction
) -> None:
    found = complexity(traced(step, state))
    assert (found.recurrent_depth, found.feedforward_depth, found.skip_coefficient) == (recurrent, feedforward, skip)
    assert found.carrousel == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("elman", (1, 2, 1, ())),
        ("lstm", (1, 2, 1, ("c",))),
        ("lstm_projected", (1, 2, 1, ("c",))),
        ("gru_reset_after", (1, 2, 1, ("h",))),
        ("gru_reset_before", (2, 3, 1, ("h",))),  # the candidate waits for the reset gate
        ("peephole_lstm", (2, 3, 1, ("c",))),  # the output gate waits for the cell state
        ("rhn", (3, 4, 1, ("s",))),  # three layers a step
        ("indrnn", (1, 2, 1, ())),  # the state meets a vector of weights, then relu
        ("t_lstm", (0, 2, None, ("c",))),  # nothing but averages goes through time
        ("min_gru", (0, 2, None, ("h",))),
    ],
)
def test_a_cell_of_the_catalogue_has_these_measures(
    name: str, expected: tuple[int, int, int | None, tuple[str, ...]]
) -> None:
    size = 4 if name == "lstm_projected" else 2
    found = measured(name, size)
    got = (found.recurrent_depth, found.feedforward_depth, found.skip_coefficient, found.carrousel)
    assert got == expected


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("name", ["elman", "lstm", "gru"])
def test_a_stack_is_deeper_from_input_to_output_and_not_in_time(name: str, layers: int) -> None:
    graph = trace_cell(find(name), find(name).sizes(2, 2))
    found = complexity(stacked([graph] * layers))
    assert (found.recurrent_depth, found.feedforward_depth, found.skip_coefficient) == (1, layers + 1, 1)


@pytest.mark.tiny
def test_layers_that_do_not_fit_cannot_be_stacked() -> None:
    lower, upper = (trace_cell(find("elman"), find("elman").sizes(3, size)) for size in (2, 5))
    with pytest.raises(ConfigError) as caught:
        stacked([lower, upper])
    assert str(caught.value) == (
        "stacked: layer 0 (elman) puts out (2,), expected (3,), the input of layer 1 (elman). "
        "Trace the upper layer with that input_size."
    )
    with pytest.raises(ConfigError) as caught:
        stacked([])
    assert str(caught.value) == "stacked: no layers given, expected at least one. Pass one graph a layer."


def test_the_size_does_not_change_the_measures() -> None:
    assert measured("lstm", 2) == measured("lstm", 5)


# Brute force: the step is unrolled and every way through it is followed, number by number, at one unit.

SQUASHING = ("tanh", "sigmoid", "relu", "softplus", "exp", "sin", "cos", "maximum", "minimum", "where")
Lengths = dict[bool, float]  # whether the way is armed -> its greatest length


def followed(graph: Graph, state: Mapping[str, Lengths], x: Lengths) -> tuple[dict[str, Lengths], Lengths]:
    """The greatest lengths after one more step: of each state field, and of the output."""
    values: dict[str, Lengths] = {}
    weights: set[str] = set()
    constants: set[str] = set()
    for node in graph.nodes:
        if node.op == "param" or (weights & set(node.args) and set(node.args) <= weights | constants):
            weights.add(node.name)
        if node.op == "constant" or (node.args and set(node.args) <= constants):
            constants.add(node.name)
        if node.op in ("state", "x"):
            values[node.name] = state[node.name] if node.op == "state" else x
            continue
        merged: Lengths = {}
        for arg in node.args:
            for armed, length in values[arg].items():
                merged[armed] = max(merged.get(armed, -inf), length)
        if node.op in ("matvec", "mul", "div") and merged and weights & set(node.args):
            merged = {True: max(merged.values())}
        elif node.op in SQUASHING:
            done = [length + (1 if armed else 0) for armed, length in merged.items()]
            merged = {False: max(done)} if done else {}
        values[node.name] = merged
    fields = [leaf.name for leaf in graph.leaves("state")]
    made = [name for role, name in graph.outputs if role.startswith("state.")]
    return {f: values[name] for f, name in zip(fields, made, strict=True)}, values[dict(graph.outputs)["output"]]


def unrolled(graph: Graph, steps: int) -> tuple[list[float], list[float]]:
    """For n = 1 ... steps: the longest way from a state over n steps, and from an input to the output n - 1 steps later."""
    empty: dict[str, Lengths] = {leaf.name: {} for leaf in graph.leaves("state")}
    through = [-inf] * steps
    for start in empty:
        state = empty | {start: {False: 0.0}}
        for n in range(steps):
            state, _ = followed(graph, state, {})
            through[n] = max([through[n], *(v for lengths in state.values() for v in lengths.values())])
    state, out = followed(graph, empty, {False: 0.0})
    across = [max(out.values(), default=-inf)]
    for _ in range(steps - 1):
        state, out = followed(graph, state, {})
        across.append(max(out.values(), default=-inf))
    return through, across


SCALAR = [
    "elman", "lstm", "peephole_lstm", "gru_reset_before", "gru_reset_after", "jordan", "t_rnn", "t_lstm", "t_gru", "t_mr",
    "sru", "indrnn", "janet", "mgu", "ugrnn", "min_lstm", "odyssey_fgr", "odyssey_niaf", "qrnn_fo", "rhn",
]  # fmt: skip


@pytest.mark.parametrize("name", SCALAR)
def test_the_depths_are_those_of_the_unrolled_step(name: str) -> None:
    graph = trace_cell(CELLS[name], CELLS[name].sizes(1, 1))
    found = complexity(graph)
    through, across = unrolled(graph, 24)
    assert Fraction(int(through[23] - through[11]), 12) == found.recurrent_depth
    spans = [length - n * found.recurrent_depth for n, length in enumerate(across)]
    assert max(spans) + 1 == found.feedforward_depth  # reading the output is one more


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("edges", "mean"),
    [
        ([], None),
        ([(0, 1, 5.0)], None),
        ([(0, 0, 2.0)], Fraction(2)),
        ([(0, 1, 1.0), (1, 2, 0.0), (2, 0, 1.0), (3, 3, 0.0)], Fraction(2, 3)),
        ([(0, 1, -1.0), (1, 0, -2.0)], Fraction(-3, 2)),
    ],
)
def test_the_largest_mean_of_a_cycle_is_exact(edges: Sequence[tuple[int, int, float]], mean: Fraction | None) -> None:
    lengths = torch.full((4, 4), -inf, dtype=torch.float64).numpy()
    for start, end, length in edges:
        lengths[end, start] = length
    assert max_cycle_mean(lengths) == mean


@pytest.mark.tiny
def test_a_gate_does_not_lengthen_the_way_of_what_it_gates() -> None:
    def gated(p: Weights, x_t: Tensor, s: One) -> tuple[Tensor, One]:
        h_t = tanh(p.R @ s.a) * sigmoid(p.W @ x_t)
        return h_t, One(h_t)

    assert complexity(traced(gated, One)).recurrent_depth == 1
