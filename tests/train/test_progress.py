import io
import math
import time

import pytest
from rich.console import Console

from carrousel.train.loop import Checkpoint, Evaluation, Step
from carrousel.train.progress import Progress

pytestmark = pytest.mark.tiny


def shown(width: int, monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> str:
    """What 100 updates of 64 characters print that take a second each and halve the loss halfway."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None, legacy_windows=False
    )
    seconds = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: seconds)
    with Progress(console, 100, "characters", "bits_per_character", 1 / math.log(2)) as progress:
        for update in range(1, 101):
            seconds += 1.0
            progress.show(Step(update, update * 64, 2.0 if update <= 50 else 1.0, 0.1, 1.0))
            if update == 50:
                progress.show(Evaluation(50, {"bits_per_character": 2.5}))
                progress.show(Checkpoint(50))
        if is_terminal:
            progress.bar.refresh()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lines_are_plain_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(80, monkeypatch, is_terminal=False).splitlines()
    assert len(lines) == 21
    assert lines[0] == "  5 %  2.885 bits/char  1:35 left  loss 2.000 nats  64 chars/s  loader 0 %"  # 2 / ln 2 = 2.885
    assert lines[10] == "update 50: held-out bits/char 2.500"
    assert lines[20].startswith("100 %  1.968 bits/char")  # (1 + (1 - 1/50)^50) / ln 2 = 1.968
    assert lines[20].endswith("0:00 left  loss 1.364 nats  64 chars/s  loader 0 %")


def test_a_terminal_shows_the_line_and_a_bar_and_leaves_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    out = shown(120, monkeypatch, is_terminal=True)
    assert "━" in out
    assert "100 %  1.968 bits/char  0:00 left  loss 1.364 nats  64 chars/s  loader 0 %" in out
    assert "update 50: held-out bits/char 2.500\n" in out


def test_a_small_terminal_shows_the_first_facts_without_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    out = shown(34, monkeypatch, is_terminal=True)
    assert "━" not in out
    assert "100 %  1.968 bits/char  0:00 left" in out
    assert "loss" not in out


def test_a_loss_that_is_no_figure_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    with Progress(console, 1, "sentences", "accuracy", loader_share=lambda: 0.25) as progress:
        progress.show(Step(1, 7, 0.5, 0.1, 1.0))
        progress.show(Evaluation(1, {"accuracy": 0.9, "f1": 0.8}))
    assert isinstance(console.file, io.StringIO)
    first, second = console.file.getvalue().splitlines()
    assert first.startswith("100 %  loss 0.500 nats  0:00 left  ")
    assert first.endswith(" sentences/s  loader 25 %")
    assert second == "update 1: held-out accuracy 0.900, f1 0.800"
