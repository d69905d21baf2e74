"""What the documents say is true: their Python code runs, and so do the examples in docstrings.

Every ```python block of a document runs in a namespace of its own; it asserts what it claims. A page of docs/ is one program, run
from top to bottom in a process of its own: a block that begins with `# name.py` is that file, and a ```text block is what has
been printed since the one before.
"""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import carrousel

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
WITH_EXTRAS = {"carrousel.train.trackers.wandb": "wandb", "carrousel.train.trackers.mlflow": "mlflow"}
"""Modules that are imported only where their package is installed."""
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(carrousel.__path__, "carrousel.")
    if not m.name.endswith("__main__") and find_spec(WITH_EXTRAS.get(m.name, "carrousel"))
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


def test_the_readme_counts_the_cells() -> None:
    assert f"- **{len(carrousel.CELLS)} cells**: " in (ROOT / "README.md").read_text(encoding="utf-8")


def page_parts(page: str) -> tuple[str, dict[str, str], str]:
    """A page's program with the page's own line numbers, the files it is to find, and all that it prints."""
    lines = [""] * page.count("\n")
    files: dict[str, str] = {}
    printed: list[str] = []
    for match in re.finditer(r"^```(python|text)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        language, body = match.groups()
        file = re.match(r"# (\w+\.py)\n", body)
        if language == "text":
            printed.append(body)
        elif file:
            files[file[1]] = body
        else:
            first = page.count("\n", 0, match.start(2))
            lines[first : first + body.count("\n")] = body.splitlines()
    return "\n".join(lines), files, "".join(printed)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_from_top_to_bottom_and_prints_what_it_says(name: str, tmp_path: Path) -> None:
    program, files, printed = page_parts((ROOT / "docs" / name).read_text(encoding="utf-8"))
    for file, text in ({f"{name}.py": program} | files).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    if program.strip():
        done = subprocess.run([sys.executable, f"{name}.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert done.stdout == printed


def test_a_page_that_says_something_else_would_be_found() -> None:
    page = "# Page\n```python\n# own.py\nx = 1\n```\n```python\nimport own\nprint(own.x)\n```\n```text\n2\n```\n"
    assert page_parts(page) == ("\n\n\n\n\n\nimport own\nprint(own.x)\n\n\n\n", {"own.py": "# own.py\nx = 1\n"}, "2\n")


@pytest.mark.parametrize("name", [*DOCUMENTS, *(f"docs/{page}" for page in PAGES)])
def test_a_link_within_the_documents_leads_somewhere(name: str) -> None:
    path = ROOT / name
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_a_module_run(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    assert sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name))) >= 10
