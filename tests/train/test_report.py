"""What a finished run prints."""

import pytest

from carrousel.train.report import report, to_text
from carrousel.train.summary import Summary

pytestmark = pytest.mark.tiny


def summary(figures: dict[str, float], *, is_higher_better: bool) -> Summary:
    worse = {name: value / 2 for name, value in figures.items()}
    return Summary(
        kind="tagger",
        name="mine",
        source="mine.conll",
        size="10 sentences",
        unit="words",
        figures=figures,
        monitor=next(iter(figures)),
        is_higher_better=is_higher_better,
        best_update=2,
        baselines={"simple": {"figures": worse, "about": "half as much"}},
        seen=20,
        seconds=65.0,
        parameters=1_234,
        updates=2,
        notes={},
    )


def test_one_figure_stands_beside_what_it_is_the_best_last() -> None:
    lines = to_text(report(summary({"accuracy": 0.9}, is_higher_better=True), "")).splitlines()
    assert lines[0].strip() == "Held-out accuracy: mine.conll"
    assert [line.split()[1] for line in lines if line.startswith("│")] == ["simple", "this"]
    assert "half as much" in lines[4]
    assert "1,234 parameters, trained for 1:05" in lines[5]


def test_where_less_is_better_the_least_is_last() -> None:
    lines = to_text(report(summary({"error": 0.9}, is_higher_better=False), "to be\nor not")).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("│")] == ["this", "simple"]
    assert lines[-3:-1] == ["to be", "or not"]


def test_many_figures_leave_what_it_is_to_lines_below() -> None:
    lines = to_text(
        report(summary({"f1": 0.9, "precision": 0.8, "recall": 0.7}, is_higher_better=True), "")
    ).splitlines()
    assert lines[0].strip() == "Held-out data: mine.conll"
    assert lines[-2:] == ["simple: half as much", "this model: 1,234 parameters, trained for 1:05"]


def test_very_many_figures_have_a_row_each() -> None:
    names = ["mase", "mae", "rmse", "crps", "nse", "kge"]
    figures = dict.fromkeys(names, 0.5)
    lines = to_text(report(summary(figures, is_higher_better=False), "")).splitlines()
    assert lines[2].split("┃")[1:4] == [" figure ", " this model ", " simple "]
    assert [line.split()[1] for line in lines if line.startswith("│")] == list(figures)
