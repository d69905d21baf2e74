"""Small steps that together use every operation a lowering may claim, for the self-test of `carrousel doctor`.

Values stay where every operation is smooth to the eye of float32: divisors and bases are positive, choices are continuous.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, sigmoid, tanh

from carrousel.cell import annotated_axes
from carrousel.engine import Program
from carrousel.engine.trace import trace

_SIZES = {"D": 9, "H": 20, "N": 4, "S": 5}


class Vectors(NamedTuple):
    h: Float[Tensor, " H"]
    c: Float[Tensor, " H"]


class Heads(NamedTuple):
    C: Float[Tensor, "N S S"]
    n: Float[Tensor, "N S"]


class Gates(NamedTuple):
    W_i: Float[Tensor, "H D"]
    W_f: Float[Tensor, "H D"]
    W_g: Float[Tensor, "H D"]
    R_i: Float[Tensor, "H H"]
    R_f: Float[Tensor, "H H"]
    R_g: Float[Tensor, "H H"]
    b_f: Float[Tensor, " H"]
    p: Float[Tensor, " H"]


class HeadWeights(NamedTuple):
    W: Float[Tensor, "H D"]
    V: Float[Tensor, "H D"]
    R: Float[Tensor, "N S S"]


def gates(p: Gates, x_t: Float[Tensor, " D"], s: Vectors) -> tuple[Tensor, Vectors]:
    """Joined products on the state, a peephole, and the carrousel."""
    i_t = sigmoid(p.W_i @ x_t + p.R_i @ s.h)
    f_t = sigmoid(p.W_f @ x_t + p.R_f @ s.h + p.p * s.c + p.b_f)
    g_t = tanh(p.W_g @ x_t + p.R_g @ s.h)
    c_t = f_t * s.c + i_t * g_t
    h_t = (1 - f_t) * tanh(c_t)
    return h_t, Vectors(h_t, c_t)


def two_phases(p: Gates, x_t: Float[Tensor, " D"], s: Vectors) -> tuple[Tensor, Vectors]:
    """A product on a value of this step; an output that is not the state."""
    r_t = sigmoid(p.W_i @ x_t + p.R_i @ s.h)
    n_t = tanh(p.W_g @ x_t + p.R_g @ (r_t * s.h) + p.b_f)
    h_t = s.h + torch.relu(r_t) * (n_t - s.h)
    return p.p * h_t, Vectors(h_t, s.c * 0.5 + (p.R_f @ n_t).detach())


def functions(p: Gates, x_t: Float[Tensor, " D"], s: Vectors) -> tuple[Tensor, Vectors]:
    """Every function of one element."""
    a = p.W_i @ x_t + p.R_i @ s.h
    b = p.W_f @ x_t + p.R_f @ s.c
    positive = a * a + 0.5
    low = torch.exp(-torch.abs(b)) + torch.log(positive) - torch.sqrt(positive)
    waves = torch.sin(a) + torch.cos(b) + torch.nn.functional.softplus(a) / positive
    powers = positive ** sigmoid(p.p) + torch.sign(a) * a
    bounds = torch.maximum(a, b) - torch.minimum(b, p.b_f)
    h_t = tanh(0.3 * (low + waves))
    return h_t, Vectors(h_t, tanh(0.3 * (powers - bounds)))


def choices(p: Gates, x_t: Float[Tensor, " D"], s: Vectors) -> tuple[Tensor, Vectors]:
    """Truth values and what is made of them."""
    a = tanh(p.W_i @ x_t + p.R_i @ s.h)
    b = tanh(p.W_f @ x_t + p.R_f @ s.c)
    is_on = torch.logical_and(torch.less(a, b), torch.logical_not(torch.less_equal(b, 0.0)))
    is_flat = torch.logical_or(torch.eq(torch.relu(a), 0.0), is_on)
    h_t = torch.where(is_on, a, b * s.h)
    return h_t, Vectors(h_t, torch.where(is_flat, s.c, a * b))


def rows(p: Gates, x_t: Float[Tensor, " D"], s: Vectors) -> tuple[Tensor, Vectors]:
    """Sums and maxima over a row: layer norm and softmax."""
    a = p.W_i @ x_t + p.R_i @ s.h
    centred = a - a.mean()
    normed = p.p * centred / torch.sqrt((centred * centred).mean() + 0.1) + p.b_f
    h_t = torch.softmax(p.R_g @ s.c + normed, 0)
    return h_t, Vectors(tanh(normed), h_t + sigmoid(a) - a.amax(0, keepdim=True) * 0.1)


def moves(p: Gates, x_t: Float[Tensor, " D"], s: Vectors) -> tuple[Tensor, Vectors]:
    """Slices, parts put together, and one element for all."""
    a = tanh(p.W_g @ x_t + p.R_g @ torch.cat([s.h[7:], s.h[:7]]))
    first, last = a[:12], a[8:]
    h_t = torch.cat([first * last, a[12:] + s.c[3:11]])
    return h_t[2:], Vectors(h_t, s.c * sigmoid(a[0]))


def heads(p: HeadWeights, x_t: Float[Tensor, " D"], s: Heads) -> tuple[Tensor, Heads]:
    """Matrix states, one matrix a head, outer products and turned matrices."""
    k_t = tanh((p.W @ x_t).view(4, 5))
    v_t = (p.V @ x_t).view(4, 5) + (p.R @ s.n[..., None])[..., 0]
    C_t = 0.9 * s.C.transpose(1, 2) + 0.1 * v_t[..., :, None] * k_t[..., None, :]
    n_t = sigmoid(s.n.sum(-1, keepdim=True)) * s.n + k_t
    h_t = (C_t @ n_t[..., None])[..., 0]
    return h_t.reshape(-1), Heads(C_t, n_t * 0.5)


PROBES: dict[str, Callable[..., Any]] = {
    step.__name__: step for step in (gates, two_phases, functions, choices, rows, moves, heads)
}
"""Name -> step."""


@cache
def program(name: str) -> Program:
    """A probe, traced and planned."""
    step = PROBES[name]
    params, state = (HeadWeights, Heads) if step is heads else (Gates, Vectors)
    return Program(trace(name, step, params, annotated_axes(params), state, annotated_axes(state), _SIZES))


@dataclass(frozen=True)
class Given:
    """Drawn parameters, inputs and a state that is not zero.

    Args:
        params: by name.
        x: (T, B, D).
        state: one tensor a field.
        lengths: valid steps of each row; None when all are T.
        reset: where the state is zeroed; None where nowhere.
    """

    params: dict[str, Tensor]
    x: Tensor
    state: tuple[Tensor, ...]
    lengths: Tensor | None
    reset: Tensor | None

    @property
    def leaves(self) -> dict[str, Tensor]:
        """Everything that has a derivative, by name."""
        return {"x": self.x, **self.params, **{f"state {k}": field for k, field in enumerate(self.state)}}

    def to(self, dtype: torch.dtype) -> "Given":
        """The same numbers in another format."""

        def turned(tensor: Tensor) -> Tensor:
            return tensor.detach().to(dtype).requires_grad_()

        params = {name: turned(value) for name, value in self.params.items()}
        return Given(params, turned(self.x), tuple(map(turned, self.state)), self.lengths, self.reset)


def given(name: str, steps: int, batch: int, *, is_ragged: bool) -> Given:
    """Numbers for a probe, the same at every call; float32 holds them exactly."""
    graph = program(name).graph
    generator = torch.Generator().manual_seed(11)

    def drawn(shape: Sequence[int], scale: float) -> Tensor:
        return (scale * torch.randn(*shape, generator=generator)).double().requires_grad_()

    params = {n.name: drawn(graph.elements(n.name), 0.3) for n in graph.leaves("param")}
    x = drawn((steps, batch, _SIZES["D"]), 1.0)
    state = tuple(drawn((batch, *graph.elements(n.name)), 0.5) for n in graph.leaves("state"))
    lengths = torch.randint(1, steps + 1, (batch,), generator=generator) if is_ragged else None
    reset = torch.rand(steps, batch, generator=generator) < 0.2 if is_ragged else None
    return Given(params, x, state, lengths, reset)
