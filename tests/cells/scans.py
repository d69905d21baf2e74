"""Associative scans over time by recursive doubling: the order of operations that a parallel machine would take."""

from collections.abc import Callable

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


def scan(join: Callable[[Pair, Pair], Pair], first: Tensor, second: Tensor) -> Pair:
    """Pairs joined from the first to each time step, in log2(T) rounds; time is the leading axis."""
    reach = 1
    while reach < first.shape[0]:
        joined = join((first[:-reach], second[:-reach]), (first[reach:], second[reach:]))
        first, second = torch.cat([first[:reach], joined[0]]), torch.cat([second[:reach], joined[1]])
        reach *= 2
    return first, second


def linear_scan(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """s_t = a_t s_{t-1} + b_t at every t, from s_{-1} = start."""
    decay, driven = scan(lambda early, late: (early[0] * late[0], late[0] * early[1] + late[1]), a, b)
    return decay * start + driven


def max_plus_scan(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """s_t = max(s_{t-1} + a_t, b_t) at every t, from s_{-1} = start."""
    decay, driven = scan(lambda early, late: (early[0] + late[0], torch.maximum(early[1] + late[0], late[1])), a, b)
    return torch.maximum(start + decay, driven)


def matrix_scan(matrices: Tensor, vectors: Tensor, start: Tensor) -> Tensor:
    """s_t = A_t s_{t-1} + b_t at every t, from s_{-1} = start; matrices (T, ..., Q, Q), vectors (T, ..., Q)."""

    def join(early: Pair, late: Pair) -> Pair:
        return late[0] @ early[0], (late[0] @ early[1][..., None])[..., 0] + late[1]

    products, driven = scan(join, matrices, vectors)
    return (products @ start[..., None])[..., 0] + driven


def before(states: Tensor, start: Tensor) -> Tensor:
    """The state that each step begins with: the states moved on by one step."""
    return torch.cat([start[None], states[:-1]])
