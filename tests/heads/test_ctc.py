"""CTC against its definition: the sum over every path, and the best of every sequence."""

import itertools
import math
import re
from collections import defaultdict
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from carrousel.errors import ConfigError, ShapeError
from carrousel.heads.ctc import best_path, ctc_loss, prefix_beam

CLASSES = 3  # a blank and two units


def drawn(steps: int, rows: int, seed: int = 0, sharpness: float = 1.5) -> Tensor:
    """Log probabilities (steps, rows, CLASSES), in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn(steps, rows, CLASSES, dtype=torch.float64, generator=generator)).log_softmax(-1)


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    """Equal neighbours joined, then blanks dropped."""
    return tuple(k for k, _ in itertools.groupby(path) if k)


def by_enumeration(log_probs: Tensor) -> dict[tuple[int, ...], float]:
    """P of every sequence: the sum over all paths of one row (T, C)."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    table = cast("list[list[float]]", log_probs.tolist())
    for path in itertools.product(range(CLASSES), repeat=len(table)):
        found[collapsed(path)] += math.exp(sum(step[k] for step, k in zip(table, path, strict=True)))
    return found


def test_the_loss_sums_over_every_path() -> None:
    log_probs, lengths = drawn(5, 4), [5, 4, 2, 3]
    targets = [(1, 2), (2, 2), (), (1, 2, 1)]
    padded = torch.tensor([[one[k] if k < len(one) else 1 for one in targets] for k in range(3)])
    found = ctc_loss(log_probs, torch.tensor(lengths), padded, torch.tensor([len(one) for one in targets]))
    for b, (length, target) in enumerate(zip(lengths, targets, strict=True)):
        expected = -math.log(by_enumeration(log_probs[:length, b])[target])
        assert found[b].item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.tiny
def test_a_target_that_does_not_fit_its_steps_is_named() -> None:
    message = (
        "ctc: row 1 has 2 steps for a target that needs 3, one a unit and one between equal neighbours. Repeat the inputs, or "
        "leave the row out."
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        ctc_loss(drawn(2, 2), torch.tensor([2, 2]), torch.tensor([[1, 2], [2, 2]]), torch.tensor([2, 2]))


@given(seed=st.integers(0, 10**6), steps=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_a_beam_that_holds_every_prefix_gives_exact_probabilities_in_order(seed: int, steps: int) -> None:
    log_probs = drawn(steps, 1, seed)
    every = by_enumeration(log_probs[:, 0])
    (found,) = prefix_beam(log_probs, torch.tensor([steps]), beam=1_000, n_best=1_000)
    assert {one.units: math.exp(one.log_prob) for one in found} == pytest.approx(dict(every), abs=1e-12)
    assert [one.log_prob for one in found] == sorted((one.log_prob for one in found), reverse=True)


@given(seed=st.integers(0, 10**6), beam=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_a_beam_never_claims_more_than_a_sequence_has(seed: int, beam: int) -> None:
    log_probs = drawn(5, 1, seed)
    every = by_enumeration(log_probs[:, 0])
    (found,) = prefix_beam(log_probs, torch.tensor([5]), beam=beam, n_best=beam)
    assert all(math.exp(one.log_prob) <= every[one.units] + 1e-12 for one in found)


@given(seed=st.integers(0, 10**6), lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_the_best_path_is_the_likeliest_class_of_every_step(seed: int, lengths: list[int]) -> None:
    log_probs = drawn(5, len(lengths), seed)
    for b, (length, found) in enumerate(zip(lengths, best_path(log_probs, torch.tensor(lengths)), strict=True)):
        values, path = log_probs[:length, b].max(-1)
        assert found.units == collapsed(tuple(cast("list[int]", path.tolist())))
        assert found.log_prob == pytest.approx(values.sum().item(), abs=1e-12)


@pytest.mark.tiny
def test_many_unlikely_paths_can_beat_the_best_one() -> None:
    # The likeliest path, 0.7 · 0.6, has blanks alone; three paths of less probability each stand for the unit.
    log_probs = torch.tensor([[[0.7, 0.3]], [[0.6, 0.4]]], dtype=torch.float64).log()
    assert best_path(log_probs, torch.tensor([2]))[0].units == ()
    ((found,),) = prefix_beam(log_probs, torch.tensor([2]))
    assert found.units == (1,)
    assert math.exp(found.log_prob) == pytest.approx(0.7 * 0.4 + 0.3 * 0.6 + 0.3 * 0.4, abs=1e-12)


@pytest.mark.tiny
def test_rows_side_by_side_are_each_row_alone() -> None:
    log_probs, lengths = drawn(6, 3), [6, 1, 4]
    together = prefix_beam(log_probs, torch.tensor(lengths), beam=3, n_best=2)
    alone = [prefix_beam(log_probs[:k, b : b + 1], torch.tensor([k]), 3, 2)[0] for b, k in enumerate(lengths)]
    assert together == alone


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam is 0, expected at least 1. Give a positive beam."),
        ({"n_best": 0}, "n_best is 0, expected at least 1. Give a positive n_best."),
        (
            {"beam": 2, "n_best": 3},
            "n_best is 3 with a beam of 2, expected at most the beam. Raise beam, or lower n_best.",
        ),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape('prefix_beam: ' + message)}$"):
        prefix_beam(drawn(2, 1), torch.tensor([2]), **options)
