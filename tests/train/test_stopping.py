"""Functions of the history of held-out figures, lower is better."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.train.stopping import evaluations_since_best, has_stalled, is_over, num_decays, score

pytestmark = pytest.mark.tiny

HISTORIES = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, math.inf]), max_size=12)


def test_without_a_history_nothing_happens() -> None:
    assert evaluations_since_best([]) == 0
    assert not is_over([], patience=1)
    assert num_decays([], patience=1) == 0
    assert not has_stalled([], leave_out=0)


def test_an_equal_figure_is_no_better() -> None:
    assert evaluations_since_best([1.0, 1.0, 1.0]) == 2
    assert is_over([1.0, 1.0, 1.0], patience=2)
    assert not is_over([1.0, 1.0, 1.0], patience=3)


def test_without_patience_it_is_never_over() -> None:
    assert not is_over([0.0] * 100, patience=None)


def test_a_figure_that_is_no_number_is_the_worst() -> None:
    assert score(math.nan, is_higher_better=True) == math.inf
    assert score(2.0, is_higher_better=True) == -2.0
    assert score(2.0, is_higher_better=False) == 2.0


@given(HISTORIES, st.integers(1, 4))
def test_the_plateau_decays_as_torch_does(history: list[float], patience: int) -> None:
    """torch.optim.lr_scheduler.ReduceLROnPlateau waits until more than its patience have passed: ours is one more."""
    import torch

    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=patience - 1, threshold=0.0)
    for figure in history:
        theirs.step(figure)
    assert 0.5 ** num_decays(history, patience) == optimiser.param_groups[0]["lr"]


@given(HISTORIES, st.integers(1, 4))
def test_the_trigger_is_algorithm_1_line_by_line(history: list[float], n: int) -> None:
    logs: list[float] = []
    triggered_at = None
    for t, v in enumerate(history):  # of Merity, Keskar and Socher
        if triggered_at is None and t > n and v > min(logs[0 : t - n - 1 + 1]):
            triggered_at = t
        logs.append(v)
    ours = [k for k in range(len(history)) if has_stalled(history[: k + 1], n)]
    assert (ours[0] if ours else None) == triggered_at
