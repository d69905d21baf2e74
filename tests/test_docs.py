"""What the documents say is true: their Python code runs, and so do the examples in docstrings.

Every ```python block of a document runs in a namespace of its own; it asserts what it claims.
"""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import carrousel

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
MODULES = sorted(
    m.name for m in pkgutil.walk_packages(carrousel.__path__, "carrousel.") if not m.name.endswith("__main__")
)


def blocks() -> list[tuple[str, str]]:
    """(place, code) for every Python block."""
    found: list[tuple[str, str]] = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            found.append((f"{name}:{line}", match.group(1)))
    return found


@pytest.mark.parametrize(("place", "code"), blocks(), ids=[place for place, _ in blocks()])
def test_a_block_of_code_in_a_document_runs(
    place: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, place, "exec"), {"__name__": "__main__"})


def test_the_documents_have_code() -> None:
    assert any(place.startswith("README.md") for place, _ in blocks())


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_a_module_run(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    assert sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name))) >= 10
