"""Beam search against enumeration: models that are tables of log probabilities, one for every prefix."""

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float, Int
from torch import Tensor

from carrousel.errors import ConfigError
from carrousel.heads.beam import Hypothesis, beam_search

END, START, NUM_TOKENS = 0, 7, 3  # tokens 0, 1, 2; the start is none of them


class Tables:
    """P(next | prefix) of several rows, drawn from a seed for each row and prefix; the state is (row, prefix)."""

    def __init__(self, seeds: Sequence[int], sharpness: float = 2.0) -> None:
        self.seeds, self.sharpness = seeds, sharpness
        self.num_calls: list[int] = []

    def log_probs(self, seed: int, prefix: tuple[int, ...]) -> Tensor:
        drawn = torch.Generator().manual_seed(hash((seed, *prefix)) % 2**31)
        return (self.sharpness * torch.randn(NUM_TOKENS, dtype=torch.float64, generator=drawn)).log_softmax(0)

    def step(self, tokens: Int[Tensor, " rows"], state: Any) -> tuple[Float[Tensor, "rows C"], Any]:
        self.num_calls.append(len(tokens))
        state = [
            (seed, (*prefix, token))
            for token, (seed, prefix) in zip(cast("list[int]", tokens.tolist()), state, strict=True)
        ]
        return torch.stack([self.log_probs(seed, prefix[1:]) for seed, prefix in state]), state

    def search(self, **options: Any) -> list[list[Hypothesis]]:
        state = [(seed, ()) for seed in self.seeds]
        return beam_search(
            self.step,
            lambda s, k: [s[i] for i in cast("list[int]", k.tolist())],
            state,
            len(self.seeds),
            START,
            END,
            **options,
        )

    def log_prob(self, seed: int, tokens: tuple[int, ...]) -> float:
        return sum(float(self.log_probs(seed, tokens[:k])[token]) for k, token in enumerate(tokens))

    def greedy(self, seed: int, max_steps: int) -> tuple[int, ...]:
        """The likeliest token at each step; the end, where it came, is the last of them."""
        tokens: tuple[int, ...] = ()
        while len(tokens) < max_steps and tokens[-1:] != (END,):
            tokens = (*tokens, int(self.log_probs(seed, tokens).argmax()))
        return tokens

    def all_by_score(self, seed: int, max_steps: int, alpha: float) -> list[tuple[float, tuple[int, ...]]]:
        """Every sequence that ends within the limit, the best first."""
        found: list[tuple[float, tuple[int, ...]]] = []
        for size in range(max_steps):
            for body in itertools.product(range(1, NUM_TOKENS), repeat=size):
                score = self.log_prob(seed, (*body, END)) / ((5 + size + 1) / 6) ** alpha
                found.append((score, body))
        return sorted(found, reverse=True)


@given(seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=4), alpha=st.sampled_from([0.0, 0.6, 1.0]))
@settings(max_examples=30, deadline=None)
def test_a_beam_of_one_is_greedy(seeds: list[int], alpha: float) -> None:
    tables = Tables(seeds)
    for seed, (found,) in zip(seeds, tables.search(max_steps=6, beam=1, length_penalty=alpha), strict=True):
        greedy = tables.greedy(seed, 6)
        assert found.is_finished == (greedy[-1] == END)
        assert found.tokens == greedy[: len(greedy) - found.is_finished]
        assert found.log_prob == pytest.approx(tables.log_prob(seed, greedy), abs=1e-5)


@given(seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=3), alpha=st.sampled_from([0.0, 0.6, 1.0]))
@settings(max_examples=15, deadline=None)
def test_a_beam_that_holds_every_sequence_finds_the_best_in_order(seeds: list[int], alpha: float) -> None:
    tables, max_steps = Tables(seeds), 4
    rows = tables.search(max_steps=max_steps, beam=NUM_TOKENS**max_steps, n_best=3, length_penalty=alpha)
    for seed, found in zip(seeds, rows, strict=True):
        expected = tables.all_by_score(seed, max_steps, alpha)[:3]
        assert [one.tokens for one in found] == [tokens for _, tokens in expected]
        assert [one.score for one in found] == pytest.approx([score for score, _ in expected], abs=1e-5)


@given(seed=st.integers(0, 10**6), alpha=st.sampled_from([0.0, 0.6, 1.0]))
@settings(max_examples=15, deadline=None)
def test_a_full_beam_is_never_worse_than_greedy(seed: int, alpha: float) -> None:
    tables = Tables([seed], sharpness=1.0)
    ((greedy,),) = tables.search(max_steps=4, beam=1, length_penalty=alpha)
    ((full,),) = tables.search(max_steps=4, beam=NUM_TOKENS**4, length_penalty=alpha)
    assert full.is_finished
    assert not greedy.is_finished or full.score >= greedy.score - 1e-6


@given(seeds=st.lists(st.integers(0, 10**6), min_size=2, max_size=5), beam=st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_rows_side_by_side_are_each_row_alone(seeds: list[int], beam: int) -> None:
    together = Tables(seeds).search(max_steps=6, beam=beam, n_best=beam)
    assert together == [Tables([seed]).search(max_steps=6, beam=beam, n_best=beam)[0] for seed in seeds]


@pytest.mark.tiny
def test_finished_hypotheses_leave_the_beam_and_are_no_longer_computed() -> None:
    class Ending(Tables):
        def log_probs(self, seed: int, prefix: tuple[int, ...]) -> Tensor:
            likely = END if len(prefix) >= seed else 1
            return torch.tensor([0.98 if k == likely else 0.01 for k in range(NUM_TOKENS)]).log()

    tables = Ending([0, 3])
    found = tables.search(max_steps=9, beam=1)
    assert [one.tokens for (one,) in found] == [(), (1, 1, 1)]
    assert tables.num_calls == [2, 1, 1, 1]  # the first row was done after one step


@pytest.mark.tiny
def test_what_the_limit_cuts_off_stands_behind_what_ended() -> None:
    class Endless(Tables):
        def log_probs(self, seed: int, prefix: tuple[int, ...]) -> Tensor:
            return torch.tensor([0.1, 0.9 - 1e-9, 1e-9]).log()

    ((ended, cut),) = Endless([0]).search(max_steps=3, beam=2, n_best=2)
    assert (ended.tokens, ended.is_finished) == ((), True)
    assert (cut.tokens, cut.is_finished) == ((1, 1, 1), False)
    assert cut.log_prob == pytest.approx(3 * math.log(0.9), abs=1e-5)
    assert cut.score > ended.score


@pytest.mark.tiny
def test_a_forbidden_token_is_never_written_and_few_sequences_make_few_hypotheses() -> None:
    class Forbidding(Tables):
        def log_probs(self, seed: int, prefix: tuple[int, ...]) -> Tensor:
            return torch.tensor([1.0, 0.0, 0.0] if prefix else [0.5, 0.5, 0.0]).log()

    (found,) = Forbidding([0]).search(max_steps=5, beam=4, n_best=4)
    assert sorted(one.tokens for one in found) == [(), (1,)]


@pytest.mark.tiny
def test_the_length_penalty_is_the_papers() -> None:
    ((found,),) = Tables([5]).search(max_steps=20, beam=3, length_penalty=0.7)
    assert found.score == pytest.approx(found.log_prob / ((5 + len(found.tokens) + 1) / 6) ** 0.7)


@pytest.mark.tiny
def test_no_rows_give_no_hypotheses() -> None:
    assert Tables([]).search(max_steps=3) == []


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam is 0, expected at least 1. Give a positive beam."),
        ({"n_best": 0}, "n_best is 0, expected at least 1. Give a positive n_best."),
        ({"max_steps": 0}, "max_steps is 0, expected at least 1. Give a positive max_steps."),
        (
            {"beam": 2, "n_best": 3},
            "n_best is 3 with a beam of 2, expected at most the beam. Raise beam, or lower n_best.",
        ),
        (
            {"length_penalty": -1.0},
            "length_penalty is -1.0, expected 0 or more. 0 ranks by probability, 0.6 is usual.",
        ),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape('beam_search: ' + message)}$"):
        Tables([0]).search(**{"max_steps": 3, **options})


@pytest.mark.tiny
def test_a_model_that_gives_no_numbers_is_named() -> None:
    class Broken(Tables):
        def log_probs(self, seed: int, prefix: tuple[int, ...]) -> Tensor:
            return torch.full((NUM_TOKENS,), math.nan)

    message = (
        "beam_search: the model gives numbers that are not finite, expected log probabilities. "
        "Train it with a lower learning rate."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Broken([0]).search(max_steps=3)
