"""Beam search: the likeliest sequences that a model writes one token at a time, for many rows at once.

    score(Y) = log P(Y | X) / lp(Y),    lp(Y) = ((5 + |Y|) / 6)^α                           Wu et al., equation 14

|Y| counts every token written, the end with them; α = 0 compares plain probabilities. Each row starts with one hypothesis;
every step keeps the likeliest continuations, as many as the beam still has places. A hypothesis that writes the end leaves the
beam and keeps its place taken, so a row is done when its last place is. Only living hypotheses are handed to the model.

So a beam of 1 is greedy decoding, and a beam that holds every sequence finds the best of all.

Sources: Sutskever, Vinyals and Le, "Sequence to Sequence Learning with Neural Networks", NIPS 2014, 1409.3215, section 3.2.
Wu et al., "Google's Neural Machine Translation System", 2016, 1609.08144, section 7; its coverage penalty is left out.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from carrousel.errors import ConfigError

S = TypeVar("S")


class Hypothesis(NamedTuple):
    """One sequence that the search wrote."""

    tokens: tuple[int, ...]  # without the end
    log_prob: float  # of the tokens and the end, in nats
    score: float  # what hypotheses are ranked by
    is_finished: bool  # False where the step limit came before the end


@torch.no_grad()
def beam_search(
    step: Callable[[Int[Tensor, " rows"], S], tuple[Float[Tensor, "rows C"], S]],
    select: Callable[[S, Int[Tensor, " rows"]], S],
    state: S,
    num_rows: int,
    start: int,
    end: int,
    max_steps: int,
    beam: int = 4,
    n_best: int = 1,
    length_penalty: float = 0.6,
    device: torch.device | str = "cpu",
) -> list[list[Hypothesis]]:
    """The `n_best` hypotheses of each row, the best first; finished ones stand before those that the limit cut off.

    Args:
        step: (last tokens, state) -> (log probabilities of the next, state after). -inf forbids a token.
        select: (state, indices) -> the state of these rows, in this order; indices may repeat.
        state: of all rows before the first step.
        num_rows: rows in `state`.
        start: token handed to the first step.
        end: token that finishes a hypothesis.
        max_steps: tokens that a hypothesis may have, the end with them.
        beam: hypotheses kept for a row.
        n_best: hypotheses returned for a row, at most `beam`; fewer where the model allows no more.
        length_penalty: α, 0 or more.
        device: of the state.

    Raises:
        ConfigError: a number out of range, or a step whose log probabilities are not numbers.
    """
    _check(beam, n_best, max_steps, length_penalty)
    if not num_rows:
        return []
    row = torch.arange(num_rows, device=device)  # of each living hypothesis
    totals = torch.zeros(num_rows, device=device)  # log P of each
    written = torch.empty((num_rows, 0), dtype=torch.int64, device=device)
    places = torch.full((num_rows,), beam, device=device)
    last = torch.full((num_rows,), start, device=device)
    done: list[list[Hypothesis]] = [[] for _ in range(num_rows)]
    for num_written in range(1, max_steps + 1):
        log_probs, state = step(last, state)
        if log_probs.isnan().any():
            raise ConfigError(
                "beam_search: the model gives numbers that are not finite, expected log probabilities. Train it with a lower "
                "learning rate."
            )
        chosen, tokens, totals = _continue(row, totals, log_probs, places, beam)
        written = torch.cat([written[chosen], tokens[:, None]], 1)
        row, is_end = row[chosen], tokens == end
        penalty = _penalty(num_written, length_penalty)
        for k in cast("list[int]", is_end.nonzero()[:, 0].tolist()):
            found = Hypothesis(_numbers(written[k, :-1]), float(totals[k]), float(totals[k]) / penalty, True)
            done[int(row[k])].append(found)
        places -= torch.bincount(row[is_end], minlength=num_rows)
        lives = ~is_end
        row, totals, last, written = row[lives], totals[lives], tokens[lives], written[lives]
        if not len(row):
            break
        state = select(state, chosen[lives])
    for k, total in enumerate(cast("list[float]", totals.tolist())):
        cut = Hypothesis(_numbers(written[k]), total, total / _penalty(max_steps, length_penalty), False)
        done[int(row[k])].append(cut)
    return [sorted(found, key=lambda one: (one.is_finished, one.score), reverse=True)[:n_best] for found in done]


def _continue(
    row: Tensor, totals: Tensor, log_probs: Tensor, places: Tensor, beam: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The likeliest continuations of each row, as many as it has places: whose they are, their tokens, their log P."""
    num_rows, num_classes, device = len(places), log_probs.shape[1], log_probs.device
    place = _count_within(row)
    table = log_probs.new_full((num_rows, beam, num_classes), -math.inf)
    table[row, place] = totals.to(log_probs)[:, None] + log_probs
    owner = torch.zeros((num_rows, beam), dtype=torch.int64, device=device)
    owner[row, place] = torch.arange(len(row), device=device)
    values, flat = table.flatten(1).topk(beam)
    is_kept = (torch.arange(beam, device=device) < places[:, None]) & (values > -math.inf)
    which, rank = is_kept.nonzero(as_tuple=True)
    best = flat[which, rank]
    return owner[which, best // num_classes], best % num_classes, values[which, rank]


def _count_within(row: Tensor) -> Tensor:
    """For each element of a sorted tensor, how many equal ones stand before it."""
    places = torch.arange(len(row), device=row.device)
    is_first = torch.cat([row.new_ones(1, dtype=torch.bool), row[1:] != row[:-1]])
    return places - torch.where(is_first, places, 0).cummax(0).values


def _numbers(tokens: Tensor) -> tuple[int, ...]:
    return tuple(cast("list[int]", tokens.tolist()))


def _penalty(num_tokens: int, alpha: float) -> float:
    return ((5 + num_tokens) / 6) ** alpha


def _check(beam: int, n_best: int, max_steps: int, length_penalty: float) -> None:
    for name, value in (("beam", beam), ("n_best", n_best), ("max_steps", max_steps)):
        if value < 1:
            raise ConfigError(f"beam_search: {name} is {value}, expected at least 1. Give a positive {name}.")
    if n_best > beam:
        raise ConfigError(
            f"beam_search: n_best is {n_best} with a beam of {beam}, expected at most the beam. Raise beam, or lower n_best."
        )
    if not 0 <= length_penalty < math.inf:
        raise ConfigError(
            f"beam_search: length_penalty is {length_penalty}, expected 0 or more. 0 ranks by probability, 0.6 is usual."
        )
