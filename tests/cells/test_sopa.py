"""SoPa: parameter count, and the scores of the automaton against every path through it, counted one by one."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from carrousel import CELLS, Recurrent
from carrousel.errors import ConfigError


@pytest.mark.tiny
def test_parameters_are_counted_as_in_the_paper() -> None:
    """H = 2 patterns of Q = 4 states, I = 5: 2Q(I + 1) + Q - 1 each, less the I + 1 of the row that the code never uses."""
    cell = CELLS["sopa"]
    assert cell.num_parameters(cell.sizes(5, 2)) == 2 * (2 * 4 * 6 + 3 - 6)


@dataclass(frozen=True)
class Weights:
    """One pattern on one text: moves (T, Q-1), self-loops (T, Q), ε steps (Q-1)."""

    moves: Tensor
    loops: Tensor
    epsilons: Tensor


def matches(weights: Weights) -> Iterator[list[Tensor]]:
    """Every way to match: the weights along each path from the start state, entered before any token, to the end state."""
    steps, states = weights.loops.shape
    for begin, end in itertools.combinations_with_replacement(range(steps), 2):
        for choices in itertools.product([(skip, move) for skip in (0, 1) for move in (0, 1)], repeat=end - begin + 1):
            state, path = 0, list[Tensor]()
            for t, (skip, move) in zip(range(begin, end + 1), choices, strict=True):
                if state + skip + move >= states:
                    break
                path += [weights.epsilons[state]] if skip else []
                state += skip
                path.append(weights.moves[t, state] if move else weights.loops[t, state])
                state += move
            else:
                if state == states - 1:
                    yield path


def layer_and_weights(name: str) -> tuple[Recurrent, Tensor, Weights]:
    """One pattern of three states, five tokens, and its transitions before they are squashed."""
    torch.manual_seed(1)
    layer = Recurrent(name, 3, 1, pattern_length=3, dtype=torch.float64)
    x = torch.randn(5, 1, 3, dtype=torch.float64)
    p = {key.removesuffix("_l0"): value.detach()[0] for key, value in layer.named_parameters()}
    return layer, x, Weights(x[:, 0] @ p["W_m"].T + p["b_m"], x[:, 0] @ p["W_l"].T + p["b_l"], p["epsilon"])


def test_the_score_is_the_sum_over_all_matches_of_the_product_along_each() -> None:
    layer, x, raw = layer_and_weights("sopa")
    weights = Weights(raw.moves.sigmoid(), raw.loops.sigmoid(), raw.epsilons.sigmoid())
    paths = list(matches(weights))
    assert len(paths) > 100
    total = sum(float(torch.stack(path).prod()) for path in paths)
    y, _ = layer(x)
    assert float(y[-1].detach()) == pytest.approx(total, rel=1e-12)


def test_the_max_plus_score_is_the_largest_sum_along_a_match() -> None:
    layer, x, weights = layer_and_weights("sopa_max_plus")
    best = max(float(torch.stack(path).sum()) for path in matches(weights))
    y, _ = layer(x)
    assert float(y[-1].detach()) == pytest.approx(best, rel=1e-12)


def test_the_max_times_score_is_the_largest_product_along_a_match() -> None:
    layer, x, raw = layer_and_weights("sopa_max_times")
    weights = Weights(raw.moves.sigmoid(), raw.loops.sigmoid(), raw.epsilons.sigmoid())
    best = max(float(torch.stack(path).prod()) for path in matches(weights))
    y, _ = layer(x)
    assert float(y[-1].detach()) == pytest.approx(best, rel=1e-12)


def test_before_the_first_match_the_score_is_the_semirings_zero() -> None:
    """A pattern of four states needs two tokens (one move, then one ε step and one more move), so one token scores nothing.

    The code's stand-in for -∞ is -100 plus what the transitions add to it, a few units here.
    """
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    assert torch.equal(Recurrent("sopa", 3, 5, dtype=torch.float64)(x)[0], torch.zeros(1, 2, 5, dtype=torch.float64))
    assert float(Recurrent("sopa_max_times", 3, 5, dtype=torch.float64)(x)[0].max().detach()) < 1e-40
    assert float(Recurrent("sopa_max_plus", 3, 5, dtype=torch.float64)(x)[0].max().detach()) < -80


@pytest.mark.tiny
def test_a_pattern_of_one_state_is_refused() -> None:
    message = "Q=1 (states of a pattern), expected at least 2. Choose a larger size."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Recurrent("sopa", 3, 5, pattern_length=1)
