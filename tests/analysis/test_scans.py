"""Which cells can be run as a scan: the forms that are recognised, and that the recognised cells are affine in numbers."""

from typing import Any, NamedTuple

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, maximum, sigmoid, tanh

from carrousel.analysis.cards import small_sizes
from carrousel.analysis.ranges import ranges
from carrousel.analysis.scans import LINEAR, MAX_PLUS, MAX_TIMES, Scan, is_scannable, scans
from carrousel.cell import annotated_axes
from carrousel.cells import CELLS, find
from carrousel.engine import trace_cell
from carrousel.engine.graph import Graph
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.trace import trace


def graph_of(name: str) -> Graph:
    cell = find(name)
    return trace_cell(cell, small_sizes(cell))


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("min_gru", (Scan(("h",), LINEAR),)),
        ("rrnn_b_max_plus", (Scan(("c",), MAX_PLUS),)),
        ("mlstm_matrix", (Scan(("m",), MAX_PLUS), Scan(("C",), LINEAR), Scan(("n",), LINEAR))),
        ("lstm", (Scan(("h", "c"), "", "i_t"),)),
        ("scrn", (Scan(("s",), LINEAR), Scan(("h",), "", "h_t"))),
        ("sru", (Scan(("c",), "", "f_t"),)),
    ],
)
def test_a_cell_has_these_scans(name: str, expected: tuple[Scan, ...]) -> None:
    assert scans(graph_of(name)) == expected


def test_what_the_papers_call_parallel_is_scannable() -> None:
    names = {name for name in CELLS if is_scannable(graph_of(name))}
    assert {"t_rnn", "t_lstm", "t_gru", "sru_v1", "qrnn_fo", "min_gru", "min_lstm", "rrnn_f", "sopa"} <= names
    assert not {"lstm", "elman", "gru", "slstm", "indrnn", "rhn"} & names


class State(NamedTuple):
    s: Float[Tensor, " H"]


class Params(NamedTuple):
    W: Float[Tensor, "H D"]


def steps() -> dict[str, tuple[Any, str]]:
    """Steps in one form each, with the scan that they allow."""

    def max_times(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        s_t = maximum(sigmoid(p.W @ x_t) * s.s, p.W @ x_t)
        return s_t, State(s_t)

    def max_times_of_any_sign(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        s_t = maximum(tanh(p.W @ x_t) * s.s, p.W @ x_t)
        return s_t, State(s_t)

    def squared(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        s_t = s.s * s.s + p.W @ x_t
        return s_t, State(s_t)

    def divided(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        s_t = s.s / (1 + sigmoid(p.W @ x_t)) - p.W @ x_t
        return s_t, State(s_t)

    def dividing(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        s_t = p.W @ x_t / s.s
        return s_t, State(s_t)

    def subtracted(p: Params, x_t: Tensor, s: State) -> tuple[Tensor, State]:
        s_t = maximum(p.W @ x_t - s.s, s.s)
        return s_t, State(s_t)

    return {
        "max_times": (max_times, MAX_TIMES),
        "max_times_of_any_sign": (max_times_of_any_sign, ""),
        "squared": (squared, ""),
        "divided": (divided, LINEAR),
        "dividing": (dividing, ""),
        "subtracted": (subtracted, ""),
    }


@pytest.mark.tiny
@pytest.mark.parametrize("name", list(steps()))
def test_a_form_is_recognised(name: str) -> None:
    step, kind = steps()[name]
    graph = trace(name, step, Params, annotated_axes(Params), State, annotated_axes(State), {"D": 2, "H": 2})
    assert [scan.kind for scan in scans(graph)] == [kind]


LINEAR_CELLS = (
    "t_rnn", "t_lstm", "t_gru", "sru_v1", "qrnn_f", "qrnn_fo", "qrnn_ifo", "min_gru", "min_lstm", "rrnn_b", "rrnn_c", "rrnn_f",
    "sopa", "lie_group",
)  # fmt: skip


@pytest.mark.parametrize("name", LINEAR_CELLS)
def test_a_linear_scan_is_affine_in_numbers(name: str) -> None:
    """f(a + b) = f(a) + f(b) - f(0) in every state field, when the fields it reads from outside its group stay."""
    graph = graph_of(name)
    assert {scan.kind for scan in scans(graph)} == {LINEAR}
    cell = CELLS[name]
    sizes = small_sizes(cell)
    torch.manual_seed(1)
    params = {n: torch.rand(s, dtype=torch.float64) for n, s in cell.param_shapes(sizes).items()}
    x = torch.randn(1, 1, sizes["D"], dtype=torch.float64)
    shapes = cell.state_shapes(sizes)
    fields = list(shapes)
    fixed = {f: torch.rand(1, *shapes[f], dtype=torch.float64) for f in fields}
    for scan in scans(graph):

        def after(values: dict[str, Tensor], group: tuple[str, ...] = scan.fields) -> Tensor:
            _, last, _ = interpret(graph, params, x, [values[f] if f in group else fixed[f] for f in fields])
            return torch.cat([last[fields.index(f)].flatten() for f in group])

        a, b = ({f: torch.rand_like(fixed[f]) for f in fields} for _ in range(2))
        zero = {f: torch.zeros_like(fixed[f]) for f in fields}
        both = {f: a[f] + b[f] for f in fields}
        torch.testing.assert_close(after(both), after(a) + after(b) - after(zero), rtol=1e-12, atol=1e-12)


@pytest.mark.tiny
def test_bounds_hold_in_numbers() -> None:
    graph = graph_of("lstm")
    bounds = ranges(graph)
    assert bounds["i_t"] == (0.0, 1.0)
    assert bounds["g_t"] == (-1.0, 1.0)
    assert bounds["h_t"] == (-1.0, 1.0)
    gru = ranges(graph_of("gru_reset_before"))
    one_minus = next(n for n in graph_of("gru_reset_before").computed if n.op == "sub")
    assert gru[one_minus.name] == (0.0, 1.0)
