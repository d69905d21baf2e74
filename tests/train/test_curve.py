import importlib.util
from pathlib import Path
from typing import Any

import pytest

from carrousel.train.curve import draw_curve
from carrousel.train.summary import Summary

METRICS: list[dict[str, Any]] = [
    {"update": 1, "seen": 1_000, "loss": 3.0},
    {"update": 2, "seen": 2_000, "loss": 2.0},
    {"update": 2, "figures": {"bits_per_character": 3.1}},
]


def summary() -> Summary:
    baselines = {"uniform": 6.3, "unigram": 4.8, "trigram": 3.0, "5-gram": 2.4, "xz": 2.8}
    return Summary(
        kind="language-model",
        name="mine",
        source="mine.txt",
        size="2,000 characters",
        unit="characters",
        figures={"bits_per_character": 3.1},
        monitor="bits_per_character",
        is_higher_better=False,
        best_update=2,
        baselines={name: {"figures": {"bits_per_character": value}, "about": ""} for name, value in baselines.items()},
        seen=2_000,
        seconds=1.0,
        parameters=10,
        updates=2,
        notes={},
    )


def test_the_curve_is_a_png_file(tmp_path: Path) -> None:
    assert draw_curve(METRICS, summary(), 1.4, tmp_path / "curve.png") is None
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.tiny
def test_without_matplotlib_there_is_a_line_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    path = tmp_path / "curve.png"
    assert draw_curve(METRICS, summary(), None, path) == (
        f"{path} was not drawn: Matplotlib is not installed. pip install 'carrousel[plot]'"
    )
    assert not path.exists()
