"""What is said and drawn of a comparison, for results that are made up."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from carrousel.train.compare import Comparison, Point, Run
from carrousel.train.compare_findings import findings
from carrousel.train.compare_report import report
from carrousel.train.contender import contenders
from carrousel.train.learning_curves import draw_learning_curves

Rights = Mapping[int, Sequence[float]]  # strings seen -> strings right, one number a seed


def made_up(
    end: int, rights: Mapping[str, Rights], steps: float = 0.97, task: str = "embedded-reber"
) -> tuple[Comparison, list[Run]]:
    """A comparison with these results; where none are given, those of the mark before hold."""
    num_seeds = len(next(iter(next(iter(rights.values())).values())))
    comparison = Comparison(task, contenders(",".join(rights)), num_seeds, end)
    return comparison, [
        _run(label, seed, comparison.marks, {seen: right[seed] for seen, right in given.items()}, steps)
        for label, given in rights.items()
        for seed in range(num_seeds)
    ]


def _run(cell: str, seed: int, marks: Sequence[int], rights: Mapping[int, float], steps: float) -> Run:
    curve = [Point(mark, steps, rights[max(seen for seen in rights if seen <= mark)]) for mark in marks]
    sequences = next((point.seen for point in curve if point.strings_right >= 0.99), None)
    return Run(cell, seed, 1_234, steps, curve[-1].strings_right, sequences, 1.5 + seed, tuple(curve))


def test_a_cell_at_the_baseline_has_learned_the_grammar_but_not_to_remember() -> None:
    said = findings(
        *made_up(8_000, {"srn": {0: (0.49, 0.51, 0.95)}, "lstm": {0: (0.0, 0.0, 0.0), 4_000: (1.0, 0.99, 1.0)}})
    )
    assert said == [
        "lstm (1.00) learned the task.",
        "After 8,000 strings srn (.510) did about as well as can be done without memory (.500; single seeds: .490 to .950): "
        "the grammar is learned, but in most seeds the second symbol is not kept to the end. A larger budget tells whether "
        "that comes later.",
    ]


def test_a_cell_that_catches_up_is_said_to_be_late_not_unable() -> None:
    rights: dict[str, Rights] = {
        "srn": {0: (0.5, 0.5, 0.5), 12_000: (0.71, 0.8, 0.7), 32_000: (0.96, 1.0, 1.0)},
        "gru": {0: (0.5, 0.5, 0.5), 24_000: (1.0, 1.0, 1.0)},
        "lstm": {0: (0.0, 0.0, 0.0), 4_000: (0.99, 1.0, 1.0)},
        "lstm:own": {0: (0.0, 0.0, 0.0), 4_000: (0.7, 0.7, 0.7), 8_000: (0.9, 0.9, 0.9)},
    }
    assert findings(*made_up(32_000, rights)) == [
        "srn (1.00; 2 of 3 seeds), gru (1.00) and lstm (1.00) learned the task.",
        "lstm:own (.900) got past what can be done without memory (.500), but not to the criterion.",
        "Later is not never: after 8,000 strings srn had .500 and lstm 1.00; after 16,000 strings gru had .500 and lstm 1.00. "
        "By 32,000 srn and gru got there, too.",
    ]


def test_between_the_baseline_and_the_criterion_lies_some_memory() -> None:
    said = findings(*made_up(1_000, {"gru": {0: (0.8, 0.7, 0.9)}, "srn": {0: (0.97, 0.98, 0.9)}}))
    assert said == [
        "gru (.800) and srn (.970) got past what can be done without memory (.500), but not to the criterion."
    ]


def test_below_the_baseline_the_grammar_is_not_learned() -> None:
    assert findings(*made_up(1_000, {"gru": {0: (0.3, 0.3)}})) == [
        "gru (.300) did not wholly learn the grammar from 1,000 strings."
    ]
    few_steps = findings(*made_up(1_000, {"gru": {0: (0.5, 0.5)}}, steps=0.9))
    assert few_steps == ["gru (.500) did not wholly learn the grammar from 1,000 strings."]


def test_no_memory_is_missed_where_none_is_needed() -> None:
    said = findings(*made_up(1_000, {"srn": {0: (0.95, 0.97)}}, steps=0.995, task="reber"))
    assert said == ["srn (.960) did not wholly learn the grammar from 1,000 strings."]


def test_the_table_has_a_row_for_each_cell_and_one_without_memory() -> None:
    rights: dict[str, Rights] = {
        "srn": {0: (0.5, 0.5, 0.52, 0.9, 0.5)},
        "lstm": {0: (0.0, 0.0, 0.0, 0.0, 0.0), 4_000: (0.998, 1.0, 1.0, 0.9, 1.0), 8_000: (1.0,) * 5},
    }
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(report(*made_up(8_000, rights)))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert lines[:5] == [
        "embedded-reber: 8,000 strings, 12 units, 5 seeds",
        "cell      parameters      steps legal    strings right until learned seconds",
        "srn            1,234 .970 (.970–.970) .500 (.500–.520)         (0/5)     3.5",
        "lstm           1,234 .970 (.970–.970) 1.00 (1.00–1.00)   4,000 (5/5)     3.5",
        "no memory                        .955             .500",
    ]
    text = " ".join(lines)
    assert "Learned: at least 99% of 500 test strings wholly right;" in text
    assert "Initialisation: srn: the cell's own; lstm: weights U(-1.5, 1.5), forget bias 5, input bias -2." in text


@pytest.mark.parametrize("budget", [16, 8_000])
def test_the_learning_curves_are_a_png_file(tmp_path: Path, budget: int) -> None:
    comparison, runs = made_up(budget, {"srn": {0: (0.4, 0.5)}, "lstm": {0: (0.0, 1.0)}})
    assert draw_learning_curves(comparison, runs, tmp_path / "learning_curves.png") is None
    assert (tmp_path / "learning_curves.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    path = tmp_path / "learning_curves.png"
    assert draw_learning_curves(*made_up(16, {"srn": {0: (0.5,)}}), path) == (
        f"{path} was not drawn: Matplotlib is not installed. pip install 'carrousel[plot]'"
    )
    assert not path.exists()
