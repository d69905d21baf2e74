"""`jax.lax.scan`, jitted: the input's products for all time steps at once, one joined product on the state in the loop."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch

from carrousel.bench.clock import seconds
from carrousel.bench.workload import Outcome, Prepared, Workload

_GATES = {"lstm": "ifgo", "peephole_lstm": "ifgo", "gru_reset_after": "rzn", "elman": ("",)}


def prepare_scan(workload: Workload) -> Prepared:
    """Value and derivatives, with or without jax's split transpose: whichever is the faster here."""
    jax: Any = import_module("jax")
    variants = [_Scan(jax, workload, is_split=is_split) for is_split in (False, True)]
    for variant in variants:
        variant.call()
    times = [min(seconds(variant.call) for _ in range(3)) for variant in variants]
    best = variants[times.index(min(times))]
    return Prepared(best.call, best.outcome)


class _Scan:
    def __init__(self, jax: Any, workload: Workload, *, is_split: bool) -> None:
        self.jax, self.cell, self.is_split = jax, workload.case.cell, is_split
        self.params = {name: jax.numpy.asarray(value.detach().numpy()) for name, value in workload.params().items()}
        self.x, self.d_y = (jax.numpy.asarray(tensor.numpy()) for tensor in (workload.x, workload.d_y))
        self.start = tuple(jax.numpy.asarray(field.numpy()) for field in workload.start())
        self.differentiated = jax.jit(jax.value_and_grad(self._loss, argnums=(0, 1), has_aux=True))

    def call(self) -> Any:
        return self.jax.block_until_ready(self.differentiated(self.params, self.x))

    def outcome(self) -> Outcome:
        (_, y), (_, d_x) = self.call()
        return {"y": torch.from_numpy(np.array(y)), "d_x": torch.from_numpy(np.array(d_x))}

    def _loss(self, params: dict[str, Any], x: Any) -> tuple[Any, Any]:
        numpy: Any = self.jax.numpy
        gates = _GATES[self.cell]
        w, r, b = (
            numpy.concatenate([params[_name(kind, gate)] for gate in gates]) for kind in ("W", "R", "b")
        )  # fmt: skip
        step = _STEPS[self.cell](self.jax, params, r.T)
        _, y = self.jax.lax.scan(step, self.start, x @ w.T + b, _split_transpose=self.is_split)
        return (y * self.d_y).sum(), y


def _name(kind: str, gate: str) -> str:
    return f"{kind}_{gate}" if gate else kind


Step = Callable[[tuple[Any, ...], Any], tuple[tuple[Any, ...], Any]]


def _lstm(jax: Any, _params: Any, r: Any) -> Step:
    def step(state: tuple[Any, ...], a: Any) -> tuple[tuple[Any, ...], Any]:
        h, c = state
        i, f, g, o = jax.numpy.split(a + h @ r, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
        h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
        return (h, c), h

    return step


def _peephole_lstm(jax: Any, params: Any, r: Any) -> Step:
    def step(state: tuple[Any, ...], a: Any) -> tuple[tuple[Any, ...], Any]:
        h, c = state
        i, f, g, o = jax.numpy.split(a + h @ r, 4, axis=1)
        i, f = jax.nn.sigmoid(i + params["p_i"] * c), jax.nn.sigmoid(f + params["p_f"] * c)
        c = f * c + i * jax.numpy.tanh(g)
        h = jax.nn.sigmoid(o + params["p_o"] * c) * jax.numpy.tanh(c)
        return (h, c), h

    return step


def _gru(jax: Any, params: Any, r: Any) -> Step:
    def step(state: tuple[Any, ...], a: Any) -> tuple[tuple[Any, ...], Any]:
        (h,) = state
        a_r, a_z, a_n = jax.numpy.split(a, 3, axis=1)
        u_r, u_z, u_n = jax.numpy.split(h @ r, 3, axis=1)
        z = jax.nn.sigmoid(a_z + u_z)
        n = jax.numpy.tanh(a_n + jax.nn.sigmoid(a_r + u_r) * (u_n + params["b_hn"]))
        h = (1 - z) * n + z * h
        return (h,), h

    return step


def _elman(jax: Any, _params: Any, r: Any) -> Step:
    def step(state: tuple[Any, ...], a: Any) -> tuple[tuple[Any, ...], Any]:
        h = jax.numpy.tanh(a + state[0] @ r)
        return (h,), h

    return step


_STEPS: dict[str, Callable[[Any, Any, Any], Step]] = {
    "lstm": _lstm, "peephole_lstm": _peephole_lstm, "gru_reset_after": _gru, "elman": _elman,
}  # fmt: skip
