"""The Reber tasks: their strings, their batches, their criterion, their errors."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Bool, Float

from carrousel.errors import ConfigError, ShapeError
from carrousel.tasks import TASKS, Batch, find
from carrousel.tasks.reber import ReberTask, embedded_reber, reber

pytestmark = pytest.mark.tiny

# Written from the drawing of the grammar: from its third node to the end, round the loop X T* V P any number of times.
FROM_THE_THIRD_NODE = "(?:XT*VP)*(?:S|XT*VV)E"
REBER_STRING = f"B(?:TS*X{FROM_THE_THIRD_NODE}|PT*V(?:VE|P{FROM_THE_THIRD_NODE}))"
RECOGNISERS = {
    "reber": re.compile(REBER_STRING),
    "embedded-reber": re.compile(rf"B([TP]){REBER_STRING}\1E"),
}

seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(sorted(TASKS))
min_lengths = st.sampled_from([0, 5, 9, 10, 13, 20, 31])


@given(names, min_lengths, seeds)
def test_every_string_passes_a_recogniser_that_was_written_apart(name: str, min_length: int, seed: int):
    task = find(name).at_least(min_length)
    for string in task.strings(task.generate(np.random.default_rng(seed), 20)):
        assert RECOGNISERS[name].fullmatch(string)
        assert len(string) >= min_length
        assert task.accepts(string)


@given(names, st.text("BTSXPVE", max_size=14) | st.text("BTSXPVEx", max_size=3))
def test_a_string_is_accepted_just_when_the_recogniser_passes_it(name: str, string: str):
    assert find(name).accepts(string) == bool(RECOGNISERS[name].fullmatch(string))


@given(names, seeds, st.data())
def test_a_string_with_one_symbol_changed_is_judged_as_the_recogniser_does(name: str, seed: int, data: st.DataObject):
    task = find(name)
    [string] = task.strings(task.generate(np.random.default_rng(seed), 1))
    place = data.draw(st.integers(0, len(string) - 1))
    mutant = string[:place] + data.draw(st.sampled_from("BTSXPVE")) + string[place + 1 :]
    assert task.accepts(mutant) == bool(RECOGNISERS[name].fullmatch(mutant))


@given(min_lengths, seeds)
def test_an_embedded_string_with_another_copy_is_rejected(min_length: int, seed: int):
    task = embedded_reber.at_least(min_length)
    for string in task.strings(task.generate(np.random.default_rng(seed), 5)):
        assert string[1] == string[-2]
        assert not task.accepts(string[:-2] + {"T": "P", "P": "T"}[string[-2]] + "E")


def test_a_string_below_the_minimum_is_not_accepted():
    assert embedded_reber.at_least(9).accepts("BTBTXSETE")
    assert not embedded_reber.at_least(10).accepts("BTBTXSETE")


def test_the_same_seed_gives_the_same_strings():
    task = embedded_reber.at_least(20)
    first, again = (task.generate(np.random.default_rng(7), 30) for _ in range(2))
    for name in ("inputs", "targets", "legal", "drawable", "lengths"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    other = task.strings(task.generate(np.random.default_rng(8), 30))
    assert other != task.strings(first)


def sets(legal: Bool[np.ndarray, "T C"]) -> list[str]:
    """The symbols of each step, in the order of the alphabet."""
    return ["".join(symbol for symbol, is_in in zip("BTSXPVE", row, strict=True) if is_in) for row in legal]


def test_a_batch_worked_by_hand():
    # Seed 47 is one that draws a short string beside a longer one.
    batch = embedded_reber.generate(np.random.default_rng(47), 2)
    assert embedded_reber.strings(batch) == ["BPBTSSXSEPE", "BPBTXSEPE"]
    assert sets(batch.legal[:, 0]) == ["TP", "B", "TP", "SX", "SX", "SX", "SX", "E", "P", "E"]
    assert sets(batch.legal[:, 1]) == ["TP", "B", "TP", "SX", "SX", "E", "P", "E", "", ""]
    assert batch.lengths.tolist() == [10, 8]


def test_a_forced_symbol_is_the_only_one_drawable_and_both_are_legal():
    task = embedded_reber.at_least(20)
    batch = task.generate(np.random.default_rng(0), 200)
    steps, strings = np.nonzero((batch.legal != batch.drawable).any(-1))
    # The inner string, 2 symbols behind the whole one, is shorter than 20 - 4 - 2.
    assert steps.max() + 1 == 15
    assert set(sets(batch.drawable[steps, strings])) == {"X", "P"}
    assert set(sets(batch.legal[steps, strings])) == {"SX", "PV"}
    assert len(steps) > 200


def test_padding_is_zero_and_out_of_the_mask():
    batch = embedded_reber.generate(np.random.default_rng(0), 50)
    assert batch.mask.sum(0).tolist() == batch.lengths.tolist()
    assert batch.lengths.min() < len(batch.inputs) == batch.lengths.max()
    for array in (batch.inputs, batch.targets, batch.legal, batch.drawable):
        assert not array[~batch.mask].any()
    assert (batch.inputs.sum(-1) == batch.mask).all()
    steps, strings = np.nonzero(batch.mask)
    assert batch.drawable[steps, strings, batch.targets[steps, strings]].all()


def outputs_of_window(window: int, task: ReberTask, batch: Batch) -> Float[np.ndarray, "T B C"]:
    """At each step, how often each symbol comes after the last `window` symbols, in the strings of the batch."""
    strings = task.strings(batch)
    seen = {(t, b): s[: t + 1][-window:] for b, s in enumerate(strings) for t in range(len(s) - 1)}
    counts = Counter((view, strings[b][t + 1]) for (t, b), view in seen.items())
    outputs = np.full(batch.legal.shape, np.nan)
    for place, view in seen.items():
        outputs[place] = [counts[view, symbol] for symbol in task.grammar.symbols]
    return outputs


def test_success_of_a_three_symbol_window_is_its_baseline():
    batch = embedded_reber.generate(np.random.default_rng(0), 2000)
    score = embedded_reber.success(outputs_of_window(3, embedded_reber, batch), batch)
    # The one step that goes wrong is a toss for T or P: 2000 strings leave 0.5 / sqrt(2000) = 0.011 of deviation.
    assert score.strings_right == pytest.approx(0.5, abs=0.045)
    assert score.steps_legal == pytest.approx(1 - 0.5 / 11, abs=0.005)


@pytest.mark.parametrize("task", [reber, embedded_reber, embedded_reber.at_least(20)])
def test_success_is_complete_for_a_predictor_that_knows_the_state(task: ReberTask):
    batch = task.generate(np.random.default_rng(0), 100)
    for known in (batch.legal, batch.drawable):
        outputs = np.where(batch.mask[..., None], known, np.nan).astype(np.float32)
        assert task.success(outputs, batch) == (1.0, 1.0)


def test_success_counts_one_wrong_step_and_its_string():
    batch = embedded_reber.generate(np.random.default_rng(0), 10)
    for wrong in (0.0, 1.0, math.nan):  # no better than the others; another one as good; not a number
        outputs = batch.legal.astype(np.float64)
        outputs[3, 4] = wrong
        score = embedded_reber.success(outputs, batch)
        assert score.steps_legal == pytest.approx(1 - 1 / batch.lengths.sum())
        assert score.strings_right == 0.9


def test_success_takes_any_order_of_the_legal_symbols_and_no_other_above_them():
    batch = embedded_reber.generate(np.random.default_rng(0), 10)
    rng = np.random.default_rng(1)
    outputs = np.where(batch.legal, rng.uniform(1, 2, batch.legal.shape), rng.uniform(0, 1, batch.legal.shape))
    assert embedded_reber.success(outputs, batch) == (1.0, 1.0)
    assert embedded_reber.success(-outputs, batch) == (0.0, 0.0)


def test_where_a_symbol_is_forced_the_other_legal_one_may_stand_anywhere():
    task = embedded_reber.at_least(20)
    batch = task.generate(np.random.default_rng(0), 50)
    is_left_out = batch.legal & ~batch.drawable
    assert is_left_out.any()
    for value in (-1.0, 2.0):
        assert task.success(np.where(is_left_out, value, batch.legal), batch) == (1.0, 1.0)
    assert task.success(np.where(is_left_out, 1.0, 0.0), batch).strings_right == 0.0


def test_the_published_table_of_1997():
    best = min(embedded_reber.published, key=lambda line: int(line.sequences.strip(">").replace(",", "")))
    assert (best.method, best.hidden, best.num_weights, best.sequences) == ("LSTM", "3 x 2", 276, "8,440")
    assert reber.published == ()


def test_unknown_tasks_are_refused_with_the_nearest_one():
    with pytest.raises(ConfigError) as caught:
        find("embeded-reber")
    assert str(caught.value) == (
        "unknown task 'embeded-reber'. Did you mean 'embedded-reber'? All tasks: reber, embedded-reber."
    )


def test_a_negative_minimum_is_refused():
    with pytest.raises(ConfigError) as caught:
        embedded_reber.at_least(-1)
    assert str(caught.value) == (
        "embedded-reber: min_length is -1, expected 0 or more. Use 0 for strings of any length."
    )


def test_no_strings_are_refused():
    with pytest.raises(ConfigError) as caught:
        reber.generate(np.random.default_rng(0), 0)
    assert str(caught.value) == "reber: n is 0, expected at least 1. Give the number of strings to draw."


def test_outputs_of_another_shape_are_refused():
    batch = reber.generate(np.random.default_rng(0), 3)
    num_steps = len(batch.inputs)
    with pytest.raises(ShapeError) as caught:
        reber.success(np.zeros((num_steps, 3, 8)), batch)
    assert str(caught.value) == (
        f"reber: outputs has shape ({num_steps}, 3, 8), expected (T, B, C) = ({num_steps}, 3, 7). "
        "Give one output for each symbol, at each step of each string of the batch."
    )
