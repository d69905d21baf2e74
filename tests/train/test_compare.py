"""Training and measuring cells side by side."""

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
import torch

from carrousel.errors import ConfigError
from carrousel.tasks import Batch, find
from carrousel.tasks.reber import ReberTask
from carrousel.train.compare import (
    Comparison,
    Measured,
    Run,
    Strings,
    compare,
    num_batches,
    run,
    usual_hidden_size,
)
from carrousel.train.contender import contenders
from carrousel.train.loop import Batches

SMALL = Comparison("reber", contenders("srn,lstm"), seeds=2, budget=100, hidden_size=4)


def finished(comparison: Comparison, num_workers: int = 1) -> list[Run]:
    """The finished runs, without the time they took."""
    runs = [event for event in compare(comparison, num_workers) if isinstance(event, Run)]
    return sorted((dataclasses.replace(r, seconds=0.0) for r in runs), key=lambda r: (r.cell, r.seed))


def test_there_is_a_mark_at_every_power_of_two_times_1000_and_at_the_budget() -> None:
    marks = Comparison("reber", contenders("srn"), budget=9_001).marks
    assert {1_000, 2_000, 4_000, 8_000, 9_001} <= set(marks)
    assert list(marks) == sorted(marks)
    assert max(np.diff((0, *marks))) <= 400
    assert Comparison("reber", contenders("srn"), budget=16).marks == (16,)


def test_batches_have_16_strings_and_end_at_the_marks() -> None:
    strings = Strings(find("reber"), 0, (40, 48))
    assert [len(strings.next().lengths) for _ in range(num_batches((40, 48)))] == [16, 16, 8, 8]
    assert isinstance(strings, Batches)


def test_strings_go_on_from_where_they_were_saved() -> None:
    strings = Strings(find("reber"), 0, (64,))
    strings.next()
    state = strings.state_dict()
    expected = [strings.next().inputs for _ in range(2)]
    other = Strings(find("reber"), 5, (64,))
    other.load_state_dict(state)
    for inputs in expected:
        np.testing.assert_array_equal(other.next().inputs, inputs)


def test_every_cell_reads_the_same_strings_and_every_seed_others(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []
    generate = ReberTask.generate

    def note(task: ReberTask, rng: np.random.Generator, n: int) -> Batch:
        batch = generate(task, rng, n)
        drawn[-1] += task.strings(batch)
        return batch

    monkeypatch.setattr(ReberTask, "generate", note)
    comparison = dataclasses.replace(SMALL)
    srn, lstm = comparison.contenders
    drawn.append([])
    assert len(comparison.test.lengths) == 500
    for contender, seed in ((srn, 0), (lstm, 0), (srn, 1)):
        drawn.append([])
        list(run((comparison, contender, seed)))
    test, of_srn, of_lstm, of_other_seed = drawn
    assert (len(of_srn), of_srn) == (100, of_lstm)
    assert of_other_seed != of_srn
    assert test[:100] not in (of_srn, of_other_seed)


def test_a_larger_budget_begins_with_the_same_numbers() -> None:
    short, long = (
        finished(Comparison("reber", contenders("srn"), seeds=1, budget=budget, hidden_size=4))[0].curve
        for budget in (400, 800)
    )
    assert (len(short), len(long), long[:1]) == (1, 2, short)


def test_a_run_is_measured_as_it_goes() -> None:
    comparison = Comparison("reber", contenders("srn"), seeds=1, budget=1_000, hidden_size=4)
    *measured, last = compare(comparison)
    assert isinstance(last, Run)
    assert [event for event in measured if not isinstance(event, Measured)] == []
    assert [event.point for event in measured if isinstance(event, Measured)] == list(last.curve)
    assert [point.seen for point in last.curve] == [400, 800, 1_000]
    assert (last.cell, last.seed, last.parameters) == ("srn", 0, 4 * 7 + 4 * 4 + 4 + 7 * 4 + 7)
    assert (last.steps_legal, last.strings_right) == last.curve[-1][1:]
    assert last.at(999) == last.curve[1]


def test_a_cell_learns_the_grammar_without_a_memory() -> None:
    # the last two symbols tell the state of the plain grammar, which any recurrent network learns soon
    runs = finished(Comparison("reber", contenders("srn,lstm:own"), seeds=1, budget=3_000))
    for found in runs:
        assert found.strings_right >= 0.99
        assert found.sequences is not None
        assert found.at(found.sequences).strings_right >= 0.99 > found.at(found.sequences - 1).strings_right


def test_what_was_not_learned_has_no_number_of_strings() -> None:
    assert [found.sequences for found in finished(SMALL)] == [None] * 4


def test_processes_change_no_bit() -> None:
    assert finished(SMALL, 2) == finished(SMALL, 1)


def test_the_loss_is_the_mean_over_the_steps_before_the_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import carrousel.train.compare as module

    found: list[tuple[float, float]] = []
    loss: Any = vars(module)["_loss"]

    def check(model: Any, batch: Batch, carried: None) -> Any:
        given = loss(model, batch, carried)
        with torch.no_grad():
            logits = model(torch.from_numpy(batch.inputs)).double().numpy()
        chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        steps = [(t, b) for b, n in enumerate(batch.lengths) for t in range(n)]
        found.append(
            (given.loss.item(), -float(np.mean([np.log(chances[t, b, batch.targets[t, b]]) for t, b in steps])))
        )
        return given

    monkeypatch.setattr(module, "_loss", check)
    list(compare(dataclasses.replace(SMALL, seeds=1)))
    assert len(found) == 2 * 7
    np.testing.assert_allclose(*np.array(found).T, rtol=1e-6)  # float32


def test_the_callers_randomness_and_threads_stay_as_they_were() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    list(compare(SMALL))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == 2


def test_longer_strings_get_more_units() -> None:
    assert [usual_hidden_size(length) for length in (0, 9, 10, 20)] == [12, 12, 24, 24]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"task": "embeded-reber"},
            "unknown task 'embeded-reber'. Did you mean 'embedded-reber'? All tasks: reber, embedded-reber.",
        ),
        ({"seeds": 0}, "compare: seeds is 0, expected at least 1. Choose a larger number."),
        ({"budget": 15}, "compare: budget is 15, expected at least 16. Choose a larger number."),
        ({"hidden_size": 0}, "compare: hidden_size is 0, expected at least 1. Choose a larger number."),
        ({"min_length": -1}, "reber: min_length is -1, expected 0 or more. Use 0 for strings of any length."),
    ],
)
def test_settings_out_of_range_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        dataclasses.replace(SMALL, **changed)


def test_a_size_that_does_not_fit_the_cell_is_refused_before_training() -> None:
    message = "H=12 cannot be divided into parts of S=5, expected a multiple. Choose sizes that divide."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Comparison("reber", contenders("lstm_1997:block_size=5"))
