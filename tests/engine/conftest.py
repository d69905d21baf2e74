"""One thread where a test asks for no more, annotations unchecked, and golden texts that can be written anew."""

from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

from carrousel.engine import threads

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate-golden", action="store_true", help="write the golden texts instead of comparing them"
    )


@pytest.fixture(autouse=True)
def _one_thread(_same_start: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """Small products lose more than they gain by torch's own threads."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _annotations_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """A compilation makes tens of thousands of calls: to check the annotations of each takes longer than all the rest."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def every_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work is handed to a second thread however little it is."""
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 1)
    threads._fastest.cache_clear()
    yield
    threads._fastest.cache_clear()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name; `pytest tests/engine --regenerate-golden` writes the file instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--regenerate-golden", default=False):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare
