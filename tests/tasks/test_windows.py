"""What can be reached on the Reber grammars without a memory.

The expected numbers were computed apart from this library, to three or four digits.
"""

import math

import pytest

from carrousel.tasks import TASKS
from carrousel.tasks.reber import ReberTask, embedded_reber, reber
from carrousel.tasks.windows import state_baseline, window_baseline

WINDOWS = [
    # task, symbols seen, cross-entropy, share of steps legal
    (reber, 1, 1.164, 0.643),
    (reber, 2, 0.594, 1.0),
    (embedded_reber, 1, 1.272, 0.545),
    (embedded_reber, 2, 0.630, 0.864),
    (embedded_reber, 3, 0.504, 0.955),
    (embedded_reber, 4, 0.504, 0.955),
    (embedded_reber, 5, 0.504, 0.955),
]


@pytest.mark.parametrize(("task", "window", "cross_entropy", "steps_legal"), WINDOWS)
def test_window_baselines(task: ReberTask, window: int, cross_entropy: float, steps_legal: float):
    baseline = window_baseline(task.grammar, 0, window)
    assert baseline.cross_entropy == pytest.approx(cross_entropy, abs=5e-4)
    assert baseline.steps_legal == pytest.approx(steps_legal, abs=5e-4)


@pytest.mark.parametrize("min_length", [0, 20])
def test_three_symbols_are_enough_for_half_of_the_strings(min_length: int):
    assert window_baseline(embedded_reber.grammar, min_length, 3).strings_right == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("task", TASKS.values())
@pytest.mark.parametrize("min_length", [0, 20])
def test_the_state_is_enough_for_all_strings(task: ReberTask, min_length: int):
    state = state_baseline(task.grammar, min_length)
    assert state[1:] == pytest.approx((1, 1), abs=1e-9)


@pytest.mark.parametrize(
    ("task", "bits", "num_predictions", "nats_per_step"), [(reber, 6, 7, 0.5941), (embedded_reber, 7, 11, 0.4411)]
)
def test_a_string_carries_one_bit_for_each_free_choice(
    task: ReberTask, bits: int, num_predictions: int, nats_per_step: float
):
    state = state_baseline(task.grammar, 0)
    assert state.cross_entropy == pytest.approx(nats_per_step, abs=5e-5)
    assert state.cross_entropy * num_predictions / math.log(2) == pytest.approx(bits, abs=1e-9)


def test_a_task_lists_its_baselines_by_what_is_seen():
    baselines = embedded_reber.at_least(13).baselines()
    assert list(baselines) == ["1 symbol", "2 symbols", "3 symbols", "state"]
    assert baselines["2 symbols"] == window_baseline(embedded_reber.grammar, 13, 2)
    assert baselines["state"] == state_baseline(embedded_reber.grammar, 13)
