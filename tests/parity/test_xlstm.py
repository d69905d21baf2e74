"""The authors' xLSTM against slstm and mlstm_matrix.

Of their blocks is left out: the causal convolution before the gates and queries, the projections up and down, the normalisation of
the output by heads, the learned skip and, in the mLSTM, the SiLU gate that stands where the paper has the output gate o_t.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch
from cells.conformance import Problem, assert_same, derivatives_of, problem, results
from torch import Tensor

from carrousel import Recurrent

pytest.importorskip("xlstm")
vanilla: Any = import_module("xlstm.blocks.slstm.src.vanilla")
scalar: Any = import_module("xlstm.blocks.slstm.cell")
matrix: Any = import_module("xlstm.blocks.mlstm.cell")
backends: Any = import_module("xlstm.blocks.mlstm.backends")

pytestmark = pytest.mark.usefixtures("annotations_unchecked")
EXACT = 1e-10  # float64: the same mathematics, other order of additions
HEADS = (1, 2, 3)


def params(given: Problem) -> dict[str, Tensor]:
    return {name: getattr(given.layer, f"{name}_l0") for name in given.layer.cell.param_axes}


def agree(given: Problem, theirs: Callable[[Tensor, dict[str, Tensor]], tuple[Tensor, dict[str, Tensor]]]) -> None:
    """Outputs, last state and all derivatives of ours are those of theirs, a function of the inputs and the first state."""
    x = given.x.clone().requires_grad_()
    fields = list(given.layer.cell.state_axes)
    start = {name: s.clone().requires_grad_() for name, s in zip(fields, given.state, strict=True)}
    y, last = theirs(x, {name: s[0] for name, s in start.items()})
    last = {name: last[name][None] for name in fields}
    leaves = {"x": x, **{f"state.{name}": s for name, s in start.items()}, **dict(given.layer.named_parameters())}
    slopes = derivatives_of(given.loss(y, tuple(last.values())), list(leaves.values()))
    expected = {"y": y, **{f"state.{name}": s for name, s in last.items()}}
    expected |= {f"d_{name}": slope for name, slope in zip(leaves, slopes, strict=True)}
    assert_same(results(given), expected, EXACT)


def their_steps(given: Problem, x: Tensor, s: dict[str, Tensor], function: str, gates: str) -> tuple[Tensor, Tensor]:
    """Outputs and states (fields, T + 1, B, H) of their step without a kernel over a sequence; gates by our names."""
    p = params(given)
    size = p["R_i"].shape[-1]
    recurrent = torch.cat([p[f"R_{gate}"].reshape(-1, size, size) for gate in gates], dim=1)
    inputs = torch.cat([x @ p[f"W_{gate}"].T for gate in gates], dim=-1)
    bias = torch.cat([p[f"b_{gate}"] for gate in gates])
    pointwise = vanilla.slstm_pointwise_function_registry[function]
    states, _, _ = vanilla.slstm_forward(inputs, torch.stack(list(s.values())), recurrent, bias, pointwise)
    return states[0, 1:], states


@pytest.mark.parametrize("heads", HEADS)
def test_slstm_is_the_authors_step_without_a_kernel(heads: int) -> None:
    given = problem("slstm", num_heads=heads)
    given.state[2].abs_()  # a sum of gates

    def theirs(x: Tensor, s: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        y, states = their_steps(given, x, s, "slstm", "ifzo")
        return y, dict(zip("hcnm", states[:, -1], strict=True))

    agree(given, theirs)


def test_slstm_from_zeros_is_theirs_although_their_stabiliser_starts_at_the_first_input_gate() -> None:
    given = problem("slstm", num_heads=2)
    zero = {name: torch.zeros_like(s[0]) for name, s in zip("hcnm", given.state, strict=True)}
    y, states = their_steps(given, given.x, zero, "slstm", "ifzo")
    ours, _, trace = given.layer.trace(given.x)
    torch.testing.assert_close(ours, y, rtol=EXACT, atol=EXACT)
    assert (trace["m_t"] - states[3, 1:]).abs().max() > 1e-2  # the first of theirs is i_1, not max(f_1 + 0, i_1)
    for name, place in (("c_t", 1), ("n_t", 2)):
        whole = trace[name] * trace["m_t"].exp()
        torch.testing.assert_close(whole, states[place, 1:] * states[3, 1:].exp(), rtol=EXACT, atol=EXACT)


def their_mlstm(given: Problem, x: Tensor, s: dict[str, Tensor], eps: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Their recurrent mLSTM step over a sequence, and the paper's output gate after it; their memory is k vᵀ, ours v kᵀ."""
    c, n, m = s["C"].transpose(-1, -2), s["n"][..., None], s["m"][..., None, None]
    read: list[Tensor] = []
    for q_t, k_t, v_t, i_t, f_t in zip(*projections(given, x), strict=True):
        row = (q_t[:, :, None], k_t[:, :, None], v_t[:, :, None])
        h, (c, n, m) = backends.recurrent_step_stabilized_simple(
            c, n, m, *(r.clone() for r in row), i_t[..., None, None], f_t[..., None, None], eps=eps
        )
        read.append(h.flatten(1))
    return gated(given, x, torch.stack(read)), {"C": c.transpose(-1, -2), "n": n[..., 0], "m": m[..., 0, 0]}


def projections(given: Problem, x: Tensor) -> list[Tensor]:
    """Queries, keys, values (T, B, N, S) and both gates before they are squashed (T, B, N)."""
    p = params(given)
    vectors = [torch.einsum("nsd,tbd->tbns", p[f"W_{name}"], x) + p[f"b_{name}"] for name in "qkv"]
    return vectors + [x @ p[f"w_{name}"].T + p[f"b_{name}"] for name in "if"]


def gated(given: Problem, x: Tensor, read: Tensor) -> Tensor:
    """What is read from the memory, behind the output gate."""
    p = params(given)
    return torch.sigmoid(x @ p["W_o"].T + p["b_o"]) * read


@pytest.mark.parametrize("heads", HEADS)
def test_mlstm_matrix_is_the_authors_recurrent_step(heads: int) -> None:
    given = problem("mlstm_matrix", num_heads=heads)
    agree(given, lambda x, s: their_mlstm(given, x, s, eps=0.0))


def test_their_recurrent_step_adds_a_millionth_to_the_denominator_where_the_paper_adds_nothing() -> None:
    given = problem("mlstm_matrix", num_heads=2)
    start = {name: s[0] for name, s in zip("Cnm", given.state, strict=True)}
    exact, theirs = (their_mlstm(given, given.x, start, eps)[0] for eps in (0.0, 1e-6))
    departed = (exact - theirs).abs().max().item()
    assert 1e-9 < departed < 1e-4


@pytest.mark.parametrize("form", ["parallel_stabilized_simple", "chunkwise_simple"])
def test_mlstm_matrix_from_zeros_is_their_parallel_and_their_chunkwise_form(form: str) -> None:
    given = problem("mlstm_matrix", num_heads=2, steps=6)
    q, k, v, i, f = (value.movedim(0, 2) for value in projections(given, given.x))  # (B, N, T, ...)
    if form == "parallel_stabilized_simple":
        read = backends.parallel_stabilized_simple(q, k, v, i[..., None], f[..., None], eps=0.0)
    else:
        read = backends.chunkwise_simple(*(value.contiguous() for value in (q, k, v, i, f)), chunk_size=3, eps=0.0)
    expected = gated(given, given.x, read.permute(2, 0, 1, 3).flatten(2))
    torch.testing.assert_close(given.layer(given.x)[0], expected, rtol=EXACT, atol=EXACT)


def test_their_gates_of_queries_keys_and_values_are_gates_of_the_input_with_the_weights_multiplied() -> None:
    given = problem("mlstm_matrix", num_heads=2)
    layer, p = given.layer, params(given)
    cell = matrix.mLSTMCell(matrix.mLSTMCellConfig(context_length=8, embedding_dim=6, num_heads=2)).double()
    cell.outnorm = torch.nn.Identity()
    cell.backend_fn_step = partial(backends.recurrent_step_stabilized_simple, eps=0.0)
    matrices = torch.cat([p[f"W_{name}"].flatten(0, 1) for name in "qkv"])
    biases = torch.cat([p[f"b_{name}"].flatten() for name in "qkv"])
    with torch.no_grad():
        for name, gate in (("i", cell.igate), ("f", cell.fgate)):
            gate.weight.normal_()
            gate.bias.normal_()
            p[f"w_{name}"].copy_(gate.weight @ matrices)
            p[f"b_{name}"].copy_(gate.weight @ biases + gate.bias)
    state, read = None, list[Tensor]()
    for vectors in zip(*(v.detach() for v in projections(given, given.x)[:3]), strict=True):
        with torch.no_grad():  # their step squeezes its arguments in place
            h, state = cell.step(*(v.flatten(1)[:, None] for v in vectors), mlstm_state=state)
        read.append(h[:, 0])
    torch.testing.assert_close(layer(given.x)[0], gated(given, given.x, torch.stack(read)), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("heads", HEADS)
def test_biases_of_the_forget_gates_start_as_theirs(heads: int) -> None:
    config = scalar.sLSTMCellConfig(hidden_size=6, num_heads=heads, backend="vanilla")
    gates = {"slstm": scalar.sLSTMCell(config)._bias.reshape(4, 6)[1]}  # i, f, z, o
    cell = matrix.mLSTMCell(matrix.mLSTMCellConfig(context_length=8, embedding_dim=6, num_heads=heads))
    gates["mlstm_matrix"] = cell.fgate.bias
    for name, theirs in gates.items():
        ours = Recurrent(name, 3, 6, num_heads=heads).get_parameter("b_f_l0")
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_their_lstm_step_is_lstm() -> None:
    given = problem("lstm")

    def theirs(x: Tensor, s: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        y, states = their_steps(given, x, s, "lstm", "ifgo")
        return y, dict(zip("hc", states[:, -1], strict=True))

    agree(given, theirs)
