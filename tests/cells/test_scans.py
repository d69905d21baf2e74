"""Cells whose state is linear in the state before it: a scan over all time steps equals the loop, derivatives included."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cells.conformance import Problem, assert_same, derivatives_of, problem, results
from cells.scans import before, linear_scan, matrix_scan, max_plus_scan
from torch import Tensor, sigmoid, tanh
from torch.nn.functional import logsigmoid, pad

Scan = Callable[[Any, Tensor, Any], tuple[Tensor, tuple[Tensor, ...]]]
"""(params, x (T, B, D), state before the first step) -> outputs of all steps, state after the last."""


def affine(p: Any, x: Tensor, name: str) -> Tensor:
    """W x + b of all steps, without b where the cell has none."""
    product = x @ getattr(p, f"W_{name}").T
    return product + getattr(p, f"b_{name}") if hasattr(p, f"b_{name}") else product


def convolved(p: Any, x: Tensor, s: Any, name: str) -> tuple[Tensor, Tensor]:
    """V x_{t-1} + W x_t + b of all steps, and V x of the last."""
    delayed = x @ getattr(p, f"V_{name}").T
    return before(delayed, getattr(s, f"v_{name}")) + affine(p, x, name), delayed[-1]


def t_rnn(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    f = sigmoid(affine(p, x, "f"))
    h = linear_scan(f, (1 - f) * affine(p, x, "z"), s.h)
    return h, (h[-1],)


def t_lstm(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    (z, v_z), (f, v_f), (o, v_o) = (convolved(p, x, s, name) for name in "zfo")
    c = linear_scan(sigmoid(f), (1 - sigmoid(f)) * z, s.c)
    return c * tanh(o), (c[-1], v_z, v_f, v_o)


def t_gru(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    (z, v_z), (f, v_f), (o, v_o) = (convolved(p, x, s, name) for name in "zfo")
    h = linear_scan(sigmoid(f), z * tanh(o), s.h)
    return h, (h[-1], v_z, v_f, v_o)


def qrnn_f(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    (z, v_z), (f, v_f) = (convolved(p, x, s, name) for name in "zf")
    h = linear_scan(sigmoid(f), (1 - sigmoid(f)) * tanh(z), s.h)
    return h, (h[-1], v_z, v_f)


def qrnn_fo(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    (z, v_z), (f, v_f), (o, v_o) = (convolved(p, x, s, name) for name in "zfo")
    c = linear_scan(sigmoid(f), (1 - sigmoid(f)) * tanh(z), s.c)
    return sigmoid(o) * c, (c[-1], v_z, v_f, v_o)


def qrnn_ifo(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    (z, v_z), (f, v_f), (o, v_o), (i, v_i) = (convolved(p, x, s, name) for name in "zfoi")
    c = linear_scan(sigmoid(f), sigmoid(i) * tanh(z), s.c)
    return sigmoid(o) * c, (c[-1], v_z, v_f, v_o, v_i)


def qrnn_f_width_1(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    f = sigmoid(affine(p, x, "f"))
    h = linear_scan(f, (1 - f) * tanh(affine(p, x, "z")), s.h)
    return h, (h[-1],)


def qrnn_fo_width_1(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    f = sigmoid(affine(p, x, "f"))
    c = linear_scan(f, (1 - f) * tanh(affine(p, x, "z")), s.c)
    return sigmoid(affine(p, x, "o")) * c, (c[-1],)


def qrnn_ifo_width_1(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    c = linear_scan(sigmoid(affine(p, x, "f")), sigmoid(affine(p, x, "i")) * tanh(affine(p, x, "z")), s.c)
    return sigmoid(affine(p, x, "o")) * c, (c[-1],)


def sru_v1(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    f, r = sigmoid(affine(p, x, "f")), sigmoid(affine(p, x, "r"))
    c = linear_scan(f, (1 - f) * (x @ p.W.T), s.c)
    return r * tanh(c) + (1 - r) * (x @ p.W_x.T if hasattr(p, "W_x") else x), (c[-1],)


def min_gru(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    z = sigmoid(affine(p, x, "z"))
    h = linear_scan(1 - z, z * affine(p, x, "h"), s.h)
    return h, (h[-1],)


def min_gru_positive(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    z = sigmoid(affine(p, x, "z"))
    h = linear_scan(1 - z, z * positive(affine(p, x, "h")), s.h)
    return h, (h[-1],)


def min_lstm(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    f, i = sigmoid(affine(p, x, "f")), sigmoid(affine(p, x, "i"))
    h = linear_scan(f / (f + i), i / (f + i) * affine(p, x, "h"), s.h)
    return h, (h[-1],)


def min_lstm_positive(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    f, i = sigmoid(affine(p, x, "f")), sigmoid(affine(p, x, "i"))
    h = linear_scan(f / (f + i), i / (f + i) * positive(affine(p, x, "h")), s.h)
    return h, (h[-1],)


def positive(a: Tensor) -> Tensor:
    return torch.relu(a) + sigmoid(torch.minimum(a, a.new_zeros(())))


def rrnn_b(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    f = sigmoid(affine(p, x, "f"))
    c = linear_scan(f, (1 - f) * affine(p, x, "u"), s.c)
    return tanh(sigmoid(affine(p, x, "o")) * c), (c[-1],)


def rrnn_b_max_plus(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    c = max_plus_scan(logsigmoid(affine(p, x, "f")), affine(p, x, "u"), s.c - 100)
    return tanh(sigmoid(affine(p, x, "o")) * c), (c[-1] + 100,)


def rrnn_pair(p: Any, x: Tensor, s: Any, epsilon: Tensor) -> tuple[Tensor, Tensor]:
    """Both states of all steps: the second scan is driven by the first one, moved on by one step."""
    f1, f2 = sigmoid(affine(p, x, "f1")), sigmoid(affine(p, x, "f2"))
    c1 = linear_scan(f1, (1 - f1) * affine(p, x, "u1"), s.c1)
    c2 = linear_scan(f2, (before(c1, s.c1) + epsilon) * (1 - f2) * affine(p, x, "u2"), s.c2)
    return c1, c2


def rrnn_c(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    c1, c2 = rrnn_pair(p, x, s, x.new_zeros(()))
    return tanh(sigmoid(affine(p, x, "o")) * c2), (c1[-1], c2[-1])


def rrnn_f(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    c1, c2 = rrnn_pair(p, x, s, sigmoid(p.epsilon))
    c = sigmoid(p.rho1) * c1 + sigmoid(p.rho2) * c2
    return tanh(sigmoid(affine(p, x, "o")) * c), (c1[-1], c2[-1])


def sopa(p: Any, x: Tensor, s: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One matrix a token: ε steps E, then moves and self-loops; the opened start state is a vector that enters each time."""
    moves = sigmoid(torch.einsum("haq,tbq->tbha", p.W_m, x) + p.b_m)
    loops = sigmoid(torch.einsum("haq,tbq->tbha", p.W_l, x) + p.b_l)
    states = loops.shape[-1]
    token = torch.diag_embed(loops) + below_diagonal(moves)
    step = token @ (torch.eye(states, dtype=x.dtype) + below_diagonal(sigmoid(p.epsilon)))
    h = matrix_scan(step, step[..., 0], s.h)
    scores = s.s + h[..., -1].cumsum(0)
    return scores, (h[-1], scores[-1])


def below_diagonal(values: Tensor) -> Tensor:
    return pad(torch.diag_embed(values), (0, 1, 1, 0))


SCANS: dict[str, Scan] = {
    "t_rnn": t_rnn,
    "t_lstm": t_lstm,
    "t_gru": t_gru,
    "qrnn_f": qrnn_f,
    "qrnn_fo": qrnn_fo,
    "qrnn_ifo": qrnn_ifo,
    "qrnn_f_width_1": qrnn_f_width_1,
    "qrnn_fo_width_1": qrnn_fo_width_1,
    "qrnn_ifo_width_1": qrnn_ifo_width_1,
    "sru_v1": sru_v1,
    "sru_v1_projected": sru_v1,
    "min_gru": min_gru,
    "min_gru_positive": min_gru_positive,
    "min_lstm": min_lstm,
    "min_lstm_positive": min_lstm_positive,
    "rrnn_b": rrnn_b,
    "rrnn_b_max_plus": rrnn_b_max_plus,
    "rrnn_c": rrnn_c,
    "rrnn_f": rrnn_f,
    "sopa": sopa,
}


def scan_results(given: Problem, run: Scan) -> dict[str, Tensor]:
    """What `conformance.results` gives for a one-layer problem, computed by the scan."""
    layer = given.layer
    x = given.x.clone().requires_grad_()
    start = tuple(s.clone().requires_grad_() for s in given.state)
    p = layer.cell.Params(*(getattr(layer, f"{name}_l0") for name in layer.cell.param_axes))
    y, last = run(p, x, layer.cell.State(*(s[0] for s in start)))
    last = tuple(field[None] for field in last)
    params = dict(layer.named_parameters())
    names = ["d_x", *(f"d_state.{f}" for f in layer.cell.state_axes), *(f"d_{name}" for name in params)]
    found = derivatives_of(given.loss(y, last), [x, *start, *params.values()])
    fields = layer.cell.state_axes
    states = {f"state.{f}": s for f, s in zip(fields, last, strict=True)}
    return {"y": y, **states, **dict(zip(names, found, strict=True))}


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("steps", [1, 2, 13])
def test_a_scan_over_all_steps_equals_the_loop(name: str, steps: int) -> None:
    given = problem(name, steps=steps, input_size=6 if name == "sru_v1" else 3)
    if name == "rrnn_b_max_plus":
        given.state[0].add_(100)  # a start that competes with what the input brings
    assert_same(results(given), scan_results(given, SCANS[name]), 1e-11)


@pytest.mark.tiny
def test_a_linear_scan_of_halves_and_ones_counts_up_to_two() -> None:
    """s_t = s_{t-1} / 2 + 1 from 0 gives 2 - 2^-t."""
    found = linear_scan(torch.full((9,), 0.5, dtype=torch.float64), torch.ones(9, dtype=torch.float64), torch.zeros(()))
    torch.testing.assert_close(found, 2 - 0.5 ** torch.arange(9, dtype=torch.float64), rtol=0, atol=0)
