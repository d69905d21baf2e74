import importlib.util
from pathlib import Path
from typing import Any

import pytest

from carrousel.train.curve import draw_curve

BASELINES = {"uniform": 6.3, "unigram": 4.8, "trigram": 3.0, "5-gram": 2.4, "xz": 2.8}
METRICS: list[dict[str, Any]] = [
    {"update": 1, "characters": 1_000, "loss": 3.0, "bits_per_character": 4.3},
    {"update": 2, "characters": 2_000, "loss": 2.0, "bits_per_character": 2.9},
    {"update": 2, "held_out_bits_per_character": 3.1},
]


def test_the_curve_is_a_png_file(tmp_path: Path) -> None:
    assert draw_curve(METRICS, BASELINES, tmp_path / "curve.png") is None
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.tiny
def test_without_matplotlib_there_is_a_line_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    path = tmp_path / "curve.png"
    assert draw_curve(METRICS, BASELINES, path) == (
        f"{path} was not drawn: Matplotlib is not installed. pip install 'carrousel[plot]'"
    )
    assert not path.exists()
