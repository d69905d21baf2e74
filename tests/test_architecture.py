"""Imports go one way: cell → cells → engine → layers → heads → train → models → cli; analysis and drawing stand on the engine."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.tiny

GROUND = {"errors", "axes", "files"}
ALLOWED = {
    "errors": set[str](),
    "axes": set[str](),
    "files": {"errors"},
    "cell": {"axes", "errors"},
    "cells": {"cell", "axes", "errors", "cells"},
    "init": {"cell", "errors"},
    "engine": {*GROUND, "cell", "engine"},
    "analysis": {*GROUND, "cell", "cells", "engine", "analysis"},
    "drawing": {*GROUND, "engine", "analysis", "drawing"},
    "layers": {*GROUND, "cell", "cells", "init", "engine", "layers"},
    "heads": {*GROUND, "heads"},
    "data": {*GROUND, "data"},
    "tasks": {*GROUND, "tasks"},
    "bench": {*GROUND, "cells", "engine", "layers", "bench"},
    "train": {*GROUND, "cell", "cells", "init", "engine", "layers", "data", "tasks", "train"},
    "models": {*GROUND, "cell", "cells", "init", "engine", "layers", "heads", "data", "train", "models"},
}
WITHOUT_TORCH = ("errors", "axes", "files", "data", "tasks")


def imports(path: Path, root: Path) -> Iterator[str]:
    """Dotted names of everything a file imports, relative forms resolved, deferred imports included."""
    package = list(path.relative_to(root.parent).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def violations(root: Path) -> list[str]:
    """Every import that goes against the direction."""
    found: list[str] = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        floor = relative.parts[0].removesuffix(".py")
        if floor in ("__init__", "__main__", "cli"):
            continue
        for name in imports(path, root):
            parts = name.split(".")
            if parts[0] == "torch" and floor in WITHOUT_TORCH:
                found.append(f"{relative} imports {name}")
            if parts[0] == root.name and (len(parts) < 2 or parts[1] not in ALLOWED.get(floor, set())):
                found.append(f"{relative} imports {name}")
        if floor == "cells" and relative.name != "__init__.py":
            found += [f"{relative} imports {n}" for n in imports(path, root) if n.startswith(f"{root.name}.cells")]
    return found


def test_imports_go_one_way(source: Path) -> None:
    assert violations(source) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("engine/plan.py", "from carrousel.cells import find"),
        ("engine/plan.py", "from ..cells import find"),
        ("engine/plan.py", "import carrousel.layers.stack"),
        ("engine/explain.py", "from carrousel.analysis.counts import work"),
        ("analysis/cards.py", "from carrousel.drawing import draw"),
        ("drawing/svg.py", "from carrousel.layers import Recurrent"),
        ("cells/lstm.py", "from carrousel.cells.elman import elman"),
        ("data/text.py", "import torch"),
        ("layers/stack.py", "def f():\n    from carrousel.train import loop"),
        ("cell.py", "from carrousel import CELLS"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / "carrousel" / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert len(violations(tmp_path / "carrousel")) >= 1
