"""Running a reference step over time, and differentiating it without a backward pass.

The derivatives are complex-step derivatives: for an analytic L that is real on the real line,

    L(θ + iε) = L(θ) + iε L'(θ) + O(ε²)      so      L'(θ) = Im L(θ + iε) / ε + O(ε²)

Nothing is subtracted, so ε = 1e-30 leaves rounding as the only error.

Source: Squire and Trapp, "Using Complex Variables to Estimate Derivatives of Real Functions", SIAM Review 40(1), 1998.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from reference.arrays import Array, Arrays

Step: TypeAlias = Callable[..., tuple[Array, Arrays]]
"""(parameters, x_t, state before) -> (y_t, state after); a stochastic cell's step takes uniform numbers u_t as well."""

EPSILON = 1e-30


def run(step: Step, p: Arrays, xs: Array, s0: Arrays, us: Array | None = None) -> tuple[Array, Arrays]:
    """Outputs of every step, (T, ...), and the state after the last, for one sequence xs (T, D) with T >= 1.

    `us` (T, ...) holds the uniform numbers of each step of a stochastic cell.
    """
    ys: list[Array] = []
    s = s0
    for t, x in enumerate(xs):
        y, s = step(p, x, s) if us is None else step(p, x, s, us[t])
        ys.append(y)
    return np.stack(ys), s


def gradients(step: Step, p: Arrays, xs: Array, s0: Arrays, w_y: Array, w_s: Arrays, us: Array | None = None) -> Arrays:
    """Exact derivatives of L = Σ w_y ys + Σ_k Σ w_s[k] s_last[k].

    Keys: "p.<name>" for each parameter, "x" for the inputs (T, D), "s.<name>" for each field of the initial state.
    Each has the shape of what it belongs to. `w_s` weights every field of the state.
    """
    sources = {f"p.{name}": value for name, value in p.items()} | {"x": xs} | {f"s.{name}": s0[name] for name in s0}
    theta = {key: value.astype(np.complex128) for key, value in sources.items()}

    def imaginary_part_of_loss() -> float:
        p_now = {name: theta[f"p.{name}"] for name in p}
        s_now = {name: theta[f"s.{name}"] for name in s0}
        ys, s_last = run(step, p_now, theta["x"], s_now, us)
        loss = np.sum(w_y * ys) + sum(np.sum(w_s[name] * s_last[name]) for name in s_last)
        return float(loss.imag)

    slopes: Arrays = {key: np.zeros(value.shape) for key, value in theta.items()}
    for key, value in theta.items():
        for at in np.ndindex(value.shape):
            value[at] += 1j * EPSILON
            slopes[key][at] = imaginary_part_of_loss() / EPSILON
            value[at] = value[at].real
    return slopes
