"""flax's cells compute what ours do, derivatives included; its MGU is another cell than the paper's, and a test says which."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from cells.conformance import Problem, assert_same, problem, results
from torch import Tensor

jax: Any = pytest.importorskip("jax")
pytest.importorskip("flax")
linen: Any = import_module("flax.linen")

pytestmark = pytest.mark.usefixtures("annotations_unchecked")
EXACT = 1e-10  # float64: the same mathematics, other order of additions
Weights = Mapping[str, Any]


def lstm_weights(p: Weights) -> dict[str, Any]:
    """flax's LSTM has its biases on the recurrent side."""
    inputs = {f"i{gate}": {"kernel": p[f"W_{gate}"].T} for gate in "ifgo"}
    return inputs | {f"h{gate}": {"kernel": p[f"R_{gate}"].T, "bias": p[f"b_{gate}"]} for gate in "ifgo"}


def gru_weights(p: Weights) -> dict[str, Any]:
    inputs = {f"i{gate}": {"kernel": p[f"W_{gate}"].T, "bias": p[f"b_{gate}"]} for gate in "rzn"}
    hidden = {f"h{gate}": {"kernel": p[f"R_{gate}"].T} for gate in "rz"}
    return inputs | hidden | {"hn": {"kernel": p["R_n"].T, "bias": p["b_hn"]}}


def simple_weights(p: Weights) -> dict[str, Any]:
    return {"i": {"kernel": p["W"].T, "bias": p["b"]}, "h": {"kernel": p["R"].T}}


def update_gate_weights(p: Weights) -> dict[str, Any]:
    return {
        "if": {"kernel": p["W_g"].T, "bias": p["b_g"]},
        "hf": {"kernel": p["R_g"].T},
        "in": {"kernel": p["W_c"].T, "bias": p["b_c"]},
        "hn": {"kernel": p["R_c"].T},
    }


def enter_h(s: Weights) -> Any:
    return s["h"]


def leave_h(h: Any) -> dict[str, Any]:
    return {"h": h}


def enter_c_h(s: Weights) -> Any:
    return s["c"], s["h"]


def leave_c_h(carry: Any) -> dict[str, Any]:
    return {"h": carry[1], "c": carry[0]}


def to_torch(value: Any) -> Tensor:
    return torch.from_numpy(np.array(value))


def unrolled(module: Any, weights: Any, xs: Any, carry: Any) -> tuple[Any, Any]:
    """Outputs and the last state."""
    ys: list[Any] = []
    for x_t in xs:
        carry, y_t = module.apply({"params": weights}, carry, x_t)
        ys.append(y_t)
    return jax.numpy.stack(ys), carry


def their_results(
    given: Problem,
    module: Any,
    weights: Callable[[Weights], Any],
    enter: Callable[[Weights], Any] = enter_h,
    leave: Callable[[Any], dict[str, Any]] = leave_h,
) -> dict[str, Tensor]:
    """Outputs, last state and all derivatives of the loss by our parameters, by name."""
    fields = list(given.layer.cell.state_axes)
    p = {name: getattr(given.layer, f"{name}_l0").detach().numpy() for name in given.layer.cell.param_axes}
    start = {name: s[0].numpy() for name, s in zip(fields, given.state, strict=True)}
    w_state = {name: w[0].numpy() for name, w in zip(fields, given.w_state, strict=True)}

    def loss(xs: Any, s: Any, q: Any) -> Any:
        ys, carry = unrolled(module, weights(q), xs, enter(s))
        last = leave(carry)
        total = (given.w_y.numpy() * ys).sum() + sum((w_state[name] * last[name]).sum() for name in fields)
        return total, (ys, last)

    with jax.enable_x64(True):
        slopes, (ys, last) = jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(given.x.numpy(), start, p)
    return {
        "y": to_torch(ys),
        **{f"state.{name}": to_torch(last[name])[None] for name in fields},
        "d_x": to_torch(slopes[0]),
        **{f"d_state.{name}": to_torch(slopes[1][name])[None] for name in fields},
        **{f"d_{name}_l0": to_torch(slopes[2][name]) for name in p},
    }


def module(name: str, **settings: Any) -> Any:
    return getattr(linen, name)(features=6, param_dtype=jax.numpy.float64, **settings)


@pytest.mark.parametrize("name", ["LSTMCell", "OptimizedLSTMCell"])
def test_lstm_is_flax_s(name: str) -> None:
    given = problem("lstm")
    assert_same(results(given), their_results(given, module(name), lstm_weights, enter_c_h, leave_c_h), EXACT)


def test_gru_reset_after_is_flax_s_gru() -> None:
    given = problem("gru_reset_after")
    assert_same(results(given), their_results(given, module("GRUCell"), gru_weights), EXACT)


@pytest.mark.parametrize(("cell", "squashing"), [("elman", "tanh"), ("elman_relu", "relu")])
def test_elman_is_flax_s_simple_cell(cell: str, squashing: str) -> None:
    given, squash = problem(cell), getattr(linen, squashing)
    assert_same(results(given), their_results(given, module("SimpleCell", activation_fn=squash), simple_weights), EXACT)


def test_ugrnn_is_flax_s_mgu_without_its_reset() -> None:
    given = problem("ugrnn")
    theirs = their_results(given, module("MGUCell", reset_gate=False), update_gate_weights)
    assert_same(results(given), theirs, EXACT)


def mgu_as_theirs(p: Weights) -> dict[str, Any]:
    return {
        "if": {"kernel": p["W_z"].T, "bias": p["b_z"]},
        "hf": {"kernel": p["R_z"].T},
        "in": {"kernel": p["W_n"].T, "bias": p["b_n"]},
        "hn": {"kernel": p["R_n"].T, "bias": p["b_hn"]},
    }


def test_flax_s_mgu_is_a_gru_reset_after_with_one_gate_in_both_places_where_the_paper_s_keeps_with_1_minus_f() -> None:
    tied = problem("gru_reset_after")
    with torch.no_grad():
        for kind in "WRb":
            getattr(tied.layer, f"{kind}_r_l0").copy_(getattr(tied.layer, f"{kind}_z_l0"))
    theirs = their_results(tied, module("MGUCell"), mgu_as_theirs)
    ours = results(tied)
    torch.testing.assert_close(ours["y"], theirs["y"], rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(ours["d_x"], theirs["d_x"], rtol=EXACT, atol=EXACT)

    paper = problem("mgu")
    with torch.no_grad():
        for ours_name, tied_name in (("f", "z"), ("n", "n")):
            for kind in "WRb":
                getattr(paper.layer, f"{kind}_{ours_name}_l0").copy_(getattr(tied.layer, f"{kind}_{tied_name}_l0"))
    assert (results(paper)["y"] - theirs["y"]).abs().max() > 1e-2
