"""Learning rates as functions of the update number."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrousel.train.from_settings import plan_of
from carrousel.train.schedule import one_cycle, plateau, step_decay, warm_up_then_cosine, warm_up_then_linear
from carrousel.train.train_settings import TrainSettings

pytestmark = pytest.mark.tiny


def rates(updates: int = 10, **settings: Any) -> list[float]:
    given: dict[str, Any] = {"updates": updates, "learning_rate": 1.0, **settings}
    plan = plan_of(TrainSettings(**given), 100)
    return [plan.learning_rate(update) for update in range(updates)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "constant", "warmup_updates": 4}, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]),
        ({"schedule": "linear", "warmup_updates": 1, "final_part": 0.1}, [1, *(1 - 0.9 * k / 8 for k in range(9))]),
        ({"schedule": "step", "decay": 0.1, "decay_every": 4}, [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        ({"schedule": "plateau", "warmup_updates": 2}, [0.5, *[1.0] * 9]),
        ({"schedule": "cosine", "final_part": 0.5}, [0.5 + (1 + math.cos(math.pi * k / 9)) / 4 for k in range(10)]),
    ],
    ids=["constant", "linear", "step", "plateau", "cosine"],
)
def test_the_settings_choose_the_schedule(settings: dict[str, Any], expected: list[float]) -> None:
    assert rates(**settings) == pytest.approx(expected)


def test_one_cycle_rises_for_three_tenths_or_as_long_as_it_is_told() -> None:
    assert rates(schedule="one-cycle").index(1.0) == 3
    assert rates(schedule="one-cycle", warmup_updates=5).index(1.0) == 5
    assert rates(schedule="one-cycle")[0] == pytest.approx(1 / 25)
    assert rates(schedule="one-cycle")[-1] == pytest.approx(1e-4)


def test_one_cycle_is_torchs_but_for_the_number_of_its_last_update() -> None:
    import torch

    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=2.0, total_steps=21, pct_start=0.3, final_div_factor=400, cycle_momentum=False
    )
    expected: list[float] = []
    for _ in range(21):
        expected.append(float(theirs.get_last_lr()[0]))
        optimiser.step()
        if len(expected) < 21:
            theirs.step()
    rise = 5  # theirs peaks at 0.3 * 21 - 1 = 5.3, ours at a whole number
    ours = one_cycle(2.0, rise_updates=rise, updates=21)
    assert [ours(update) for update in (0, 20)] == pytest.approx([expected[0], expected[20]])
    assert max(ours(update) for update in range(21)) == 2.0
    assert max(abs(ours(update) - expected[update]) for update in range(21)) < 0.12


@given(st.integers(0, 30), st.integers(1, 40), st.sampled_from([warm_up_then_cosine, warm_up_then_linear, one_cycle]))
def test_a_rate_is_never_negative_nor_above_its_peak(warmup: int, updates: int, schedule: Any) -> None:
    rate = schedule(2.0, warmup, updates)
    assert all(0 <= rate(update) <= 2.0 for update in range(updates))


def test_a_plan_of_one_update_learns() -> None:
    for schedule in ("constant", "cosine", "linear", "plateau"):
        assert rates(updates=1, schedule=schedule) == [1.0]
    assert rates(updates=1, schedule="one-cycle") == [1.0]


def test_a_step_decay_counts_from_the_first_update() -> None:
    assert [step_decay(1.0, 3, 0.5, 2)(update) for update in range(4)] == pytest.approx([1 / 3, 2 / 3, 0.5, 0.5])


def test_the_plateau_multiplies_what_the_schedule_says() -> None:
    plan = plan_of(TrainSettings(schedule="plateau", decay=0.1, decay_patience=1), 100)
    assert plan.rate_factor([1.0, 2.0, 3.0]) == pytest.approx(0.01)
    assert plan_of(TrainSettings(), 100).rate_factor([1.0, 2.0, 3.0]) == 1.0
    assert plateau(0.5, 2)([]) == 1.0
