"""Steps on matrices, heads and lanes: slices, permutations, reductions, outer products, one matrix a head."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from engine.checks import check, problem, user_cell
from jaxtyping import Float
from torch import Tensor, sigmoid, tanh

N, P, K = 3, 2, 4


class Vector(NamedTuple):
    h: Float[Tensor, " H"]


class Matrix(NamedTuple):
    C: Float[Tensor, "N P P"]
    n: Float[Tensor, "N P"]


class Lanes(NamedTuple):
    h: Float[Tensor, " H"]
    c: Float[Tensor, "K H"]


class VectorParams(NamedTuple):
    W: Float[Tensor, "H D"]
    R: Float[Tensor, "H H"]
    b: Float[Tensor, " H"]
    g: Float[Tensor, " H"]


class HeadParams(NamedTuple):
    W: Float[Tensor, "H D"]
    R: Float[Tensor, "N P P"]
    Q: Float[Tensor, "N P P"]
    U: Float[Tensor, "H H"]
    S: Float[Tensor, "P P"]
    b: Float[Tensor, "N P"]


class LaneParams(NamedTuple):
    W: Float[Tensor, "K H D"]
    R: Float[Tensor, "K H H"]
    V: Float[Tensor, "K H D"]
    b: Float[Tensor, "K H"]


class TensorParams(NamedTuple):
    W: Float[Tensor, "H D"]
    R: Float[Tensor, "H H"]
    T: Float[Tensor, "H D H"]


def layer_norm(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    a = p.R @ s.h
    centred = a - a.mean()
    h = tanh(p.g * centred / torch.sqrt((centred * centred).mean() + 1e-5) + p.W @ x + p.b)
    return h, Vector(h)


def softmax_over_units(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    h = torch.softmax(p.R @ s.h + p.W @ x, 0) * p.g
    return h, Vector(h)


def largest_unit(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    a = tanh(p.R @ s.h + p.W @ x)
    h = a - a.amax(0, keepdim=True) * p.g
    return h, Vector(h)


def halves_change_places(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    a = tanh(p.R @ torch.cat([s.h[3:], s.h[:3]]) + p.W @ x)
    h = torch.cat([a[2:], a[:2] * s.h[4:]])
    return h[1:], Vector(h)


def slices_that_overlap(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    a = tanh(p.R @ s.h + p.W @ x)
    h = torch.cat([a[:4] * a[2:], a[5:], a[:1]])
    return h, Vector(h)


def one_element_for_all(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    z = sigmoid((p.R @ s.h)[0] + (p.W @ x)[1])
    h = z * s.h + (1 - z) * tanh(p.W @ x + p.b)
    return h, Vector(h)


def a_dot_product_decides(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    score = p.g @ s.h
    h = torch.where(score > 0, tanh(p.R @ s.h + p.W @ x), s.h * p.b)
    return h, Vector(h)


def norm_of_the_state(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    h = tanh(p.R @ s.h + p.W @ x) / torch.clamp((s.h * s.h).sum(), min=1.0)
    return h, Vector(h)


def powers(p: VectorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    a = sigmoid(p.R @ s.h + p.W @ x)
    h = a**3 + (0.5 + a) ** torch.exp(p.b) - a**0.5
    return h, Vector(h)


def one_matrix_a_head(p: HeadParams, x: Tensor, s: Matrix) -> tuple[Tensor, Matrix]:
    z = (p.W @ x).view(N, P)
    n = tanh((p.R @ s.n[..., None])[..., 0] + z + p.b)
    o = sigmoid((p.Q @ s.n[..., None])[..., 0] + (p.U @ s.n.reshape(-1)).view(N, P))
    return (o * n).reshape(-1), Matrix(s.C * 0.5, o * n)


def heads_share_a_matrix(p: HeadParams, x: Tensor, s: Matrix) -> tuple[Tensor, Matrix]:
    n = tanh(s.n @ p.S + (p.W @ x).view(N, P))
    return n.reshape(-1), Matrix(tanh(s.C @ p.S), n)


def memory_of_outer_products(p: HeadParams, x: Tensor, s: Matrix) -> tuple[Tensor, Matrix]:
    k, v = tanh((p.W @ x).view(N, P)), (p.W @ x).view(N, P)
    f = sigmoid(s.n.sum(-1))[:, None]
    C = f[..., None] * s.C + v[..., :, None] * k[..., None, :]
    n = f * s.n + k
    read = (C @ k[..., None])[..., 0] / torch.clamp((n * k).sum(-1, keepdim=True).abs(), min=1.0)
    return read.reshape(-1), Matrix(C, n)


def memory_that_is_turned(p: HeadParams, x: Tensor, s: Matrix) -> tuple[Tensor, Matrix]:
    C = tanh(s.C.transpose(1, 2) + (p.R * s.n[:, None, :]))
    n = tanh(C.sum(1) - C.amax(2)) + (p.W @ x).view(N, P)
    return C[:, 0].reshape(-1), Matrix(C.flip(0) if False else C, n)


def product_of_state_matrices(p: HeadParams, x: Tensor, s: Matrix) -> tuple[Tensor, Matrix]:
    C = tanh(s.C @ p.R + torch.softmax(s.C, 1))
    n = (C * s.n[:, :, None]).sum(1) + (p.W @ x).view(N, P)
    return n.reshape(-1), Matrix(C, n)


def lanes_one_by_one(p: LaneParams, x: Tensor, s: Lanes) -> tuple[Tensor, Lanes]:
    c = [sigmoid(p.R[k] @ s.h + p.W[k] @ x + p.b[k]) * s.c[k] + tanh(p.V[k] @ x) for k in range(K)]
    h = sum((tanh(lane) for lane in c[1:]), tanh(c[0]))
    return h, Lanes(h, torch.stack(c))


def lanes_at_once(p: LaneParams, x: Tensor, s: Lanes) -> tuple[Tensor, Lanes]:
    a = p.R @ s.h + p.W @ x + p.b
    c = torch.softmax(a, 0) * s.c + tanh(p.V @ x)
    h = tanh(c).sum(0)
    return h, Lanes(h, c)


def the_strongest_lane(p: LaneParams, x: Tensor, s: Lanes) -> tuple[Tensor, Lanes]:
    a = p.R @ s.h + p.W @ x + p.b
    is_best = a == a.amax(0, keepdim=True)
    c = torch.where(is_best, s.c + tanh(a), s.c)
    h = torch.where(is_best, tanh(c), torch.zeros_like(c)).sum(0)
    return h, Lanes(h, c)


def a_choice_for_whole_lanes(p: LaneParams, x: Tensor, s: Lanes) -> tuple[Tensor, Lanes]:
    is_on = s.c.sum(1, keepdim=True) > 0
    c = torch.where(is_on, tanh(p.R @ s.h + p.W @ x), s.c)
    return c[0] + c[3], Lanes(c[1] * c[2], c)


def lanes_in_columns(p: LaneParams, x: Tensor, s: Lanes) -> tuple[Tensor, Lanes]:
    c = tanh(s.c.T * (p.W @ x).T + s.h[:, None]).T
    return c.T[:, 1], Lanes(c.T.sum(1), c)


def bilinear(p: TensorParams, x: Tensor, s: Vector) -> tuple[Tensor, Vector]:
    h = tanh((p.T @ s.h) @ x + p.W @ x + p.R @ s.h)
    return h, Vector(h)


STEPS: dict[Callable[..., Any], tuple[type[Any], type[Any]]] = {
    **dict.fromkeys(
        (
            layer_norm, softmax_over_units, largest_unit, halves_change_places, slices_that_overlap, one_element_for_all,
            a_dot_product_decides, norm_of_the_state, powers,
        ),
        (VectorParams, Vector),
    ),
    **dict.fromkeys(
        (
            one_matrix_a_head, heads_share_a_matrix, memory_of_outer_products, memory_that_is_turned,
            product_of_state_matrices,
        ),
        (HeadParams, Matrix),
    ),
    **dict.fromkeys(
        (lanes_one_by_one, lanes_at_once, the_strongest_lane, a_choice_for_whole_lanes, lanes_in_columns),
        (LaneParams, Lanes),
    ),
    bilinear: (TensorParams, Vector),
}  # fmt: skip
LENGTHS = torch.tensor([2, 4, 1, 4, 3, 3, 4])
RESET = torch.tensor([[(3 * t + 5 * b) % 4 == 0 for b in range(7)] for t in range(4)])


def program_of(step: Callable[..., Any], hidden_size: int) -> Any:
    params, state = STEPS[step]
    cell = user_cell(step.__name__, step, params, state)
    sizes = {"D": 3, "H": hidden_size, "N": N, "P": P, "K": K}
    from carrousel.engine import Program, trace_cell

    return Program(trace_cell(cell, sizes))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_step_equals_interpret(step: Callable[..., Any], dtype: torch.dtype) -> None:
    given = problem(program_of(step, 6), batch=7, dtype=dtype)
    check(given)
    check(given, LENGTHS, RESET)
