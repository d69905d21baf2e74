"""Sums and maxima over all paths through a chain of states: the forward-backward algorithm and the n best paths.

    α_t[j] = exp(u_t[j]) Σ_i α_{t-1}[i] exp(A_t[i, j]),    Z = Σ_j α_T[j]

α is scaled to sum to 1 at every step, and the logarithms of the scales add up to log Z. The products are matrix products of
exponentials in float64, whatever the dtype of the scores: exact unless scores that compete within one step lie more than 700 nats
apart, and faster than sums of logarithms, which need C² exponentials a step (benchmarks/tagging.py measures both).

Source: Rabiner, "A Tutorial on Hidden Markov Models", Proceedings of the IEEE 77(2), 1989, sections III and V.A (scaling).
"""

import math
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def log_partition(unary: Float[Tensor, "T B C"], between: Tensor, valid: Bool[Tensor, "T B"]) -> Float[Tensor, " B"]:
    """log of the sum of exp(score) over all paths of each row, with first derivatives, which are marginal probabilities.

    Args:
        unary: score of each state at each step; -∞ for a state that cannot be.
        between: score of each move, [from, to], (C, C), or (T, B, C, C) whose first step is ignored.
        valid: the steps of each row, a first part of all T.

    Returns:
        -∞ for a row without a possible path.
    """
    return cast(Tensor, _LogPartition.apply(unary, between, valid))  # pyright: ignore[reportUnknownMemberType]


class _LogPartition(torch.autograd.Function):
    """The forward pass goes forward in time, the backward pass backward: nothing is recorded step by step."""

    @staticmethod
    def forward(ctx: Any, unary: Tensor, between: Tensor, valid: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        tops, factors = _exponentials(unary, 2)
        move_tops, moves = _exponentials(between, (-2, -1))
        alpha, scales = torch.empty_like(factors), torch.empty_like(factors[:, :, 0])
        for t in range(len(factors)):
            reached = factors[t] if t == 0 else _product(alpha[t - 1], moves, t).mul_(factors[t])
            torch.sum(reached, 1, out=scales[t])
            torch.div(reached, scales[t].clamp_min(torch.finfo(scales.dtype).tiny)[:, None], out=alpha[t])
        logs = scales.log() + tops[:, :, 0]
        logs[1:] += move_tops if between.dim() == 2 else move_tops[1:, :, 0, 0]
        ctx.save_for_backward(alpha, scales, factors, moves, valid)
        ctx.dtype = unary.dtype
        return logs.masked_fill(~valid, 0.0).sum(0).to(unary.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        alpha, scales, factors, moves, valid = cast(tuple[Tensor, ...], ctx.saved_tensors)
        grad = grad_outputs[0].double()[:, None]
        scaled = factors / scales.clamp_min(torch.finfo(scales.dtype).tiny)[:, :, None]
        beta, one = torch.ones_like(factors), factors.new_ones(())
        for t in range(len(factors) - 1, 0, -1):
            back = _product(scaled[t] * beta[t], moves.mT, t)
            beta[t - 1] = torch.where(valid[t][:, None], back, one)
        on_states = (alpha * beta * grad).masked_fill(~valid[:, :, None], 0.0)
        ahead = (scaled * beta * grad).masked_fill(~valid[:, :, None], 0.0)
        if moves.dim() == 2:
            on_moves = moves * (alpha[:-1].flatten(0, 1).mT @ ahead[1:].flatten(0, 1))
        else:
            on_moves = torch.zeros_like(moves)
            on_moves[1:] = alpha[:-1, :, :, None] * moves[1:] * ahead[1:, :, None, :]
        return on_states.to(ctx.dtype), on_moves.to(ctx.dtype), None


def _exponentials(scores: Tensor, axes: int | tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The largest score along the axes, 0 where all are -∞, and exp(scores - largest), both in float64."""
    scores = scores.double()
    tops = scores.amax(axes, keepdim=True)
    tops = tops.masked_fill(tops == -math.inf, 0.0)
    return tops if scores.dim() != 2 else tops.reshape(()), (scores - tops).exp()


def _product(rows: Tensor, moves: Tensor, t: int) -> Tensor:
    """(B, C) times the (C, C) of all rows or the (B, C, C) of step t."""
    return rows @ moves if moves.dim() == 2 else (rows[:, None, :] @ moves[t])[:, 0]


def n_best(
    unary: Float[Tensor, "T B C"], between: Tensor, valid: Bool[Tensor, "T B"], n: int
) -> tuple[Int[Tensor, "n T B"], Float[Tensor, "n B"]]:
    """The n best paths of each row, the best first, and their scores; arguments as in `log_partition`.

    Steps past a row's end are -1, and so are paths that do not exist, whose score is -∞.

    Source: Viterbi, IEEE Transactions on Information Theory 13(2), 1967; with n ranks kept in each state.
    """
    steps, batch, classes = unary.shape
    best = unary.new_full((batch, classes, n), -math.inf)  # [row, state, rank]
    best[:, :, 0] = unary[0]
    came_from = torch.arange(classes * n, device=unary.device).expand(steps, batch, -1).clone()  # state · n + rank
    for t in range(1, steps):
        moves = between if between.dim() == 2 else between[t]
        ways = best[:, :, :, None] + moves[..., :, None, :]  # [row, from, rank, to]
        found, places = _top(ways.flatten(1, 2), n)  # (B, n, C)
        goes_on = valid[t][:, None]
        best = torch.where(goes_on[:, :, None], found.mT + unary[t][:, :, None], best)
        came_from[t] = torch.where(goes_on, places.mT.flatten(1), came_from[t])
    score, place = _top(best.flatten(1)[:, :, None], n)
    score, place = score[:, :, 0], place[:, :, 0]  # (B, n)
    tags = torch.empty(n, steps, batch, dtype=torch.int64, device=unary.device)
    for t in range(steps - 1, -1, -1):
        tags[:, t] = (place // n).mT
        place = came_from[t].gather(1, place)
    is_real = valid[None] & (score.mT > -math.inf)[:, None]
    return tags.masked_fill(~is_real, -1), score.mT.contiguous()


def _top(ways: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The n largest along axis 1, largest first, and their places."""
    if n == 1:  # the same, and twice as fast
        return ways.max(1, keepdim=True)
    return ways.topk(n, 1)
