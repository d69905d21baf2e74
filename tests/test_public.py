"""The public surface: what the stub lists is there, and importing it costs nothing until it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import carrousel

pytestmark = pytest.mark.tiny


def documented(source: Path) -> set[str]:
    """The names in `__init__.pyi`."""
    tree = ast.parse((source / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_all_is_what_the_stub_lists(source: Path) -> None:
    assert set(carrousel.__all__) == documented(source)


def test_every_public_name_can_be_had_and_has_a_docstring(source: Path) -> None:
    for name in documented(source):
        value = getattr(carrousel, name)
        assert name == "CELLS" or value.__doc__, name


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after running the code."""
    program = f"{code}\nimport sys\nprint(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split("\n")[-2].split())


def test_importing_the_package_imports_no_torch() -> None:
    assert not {"torch", "numpy"} & modules_after("import carrousel")


def test_help_imports_no_torch() -> None:
    code = "import sys\nfrom carrousel.cli import run\nassert run(['--help']) == 0"
    assert not {"torch", "numpy", "pydantic", "matplotlib"} & modules_after(code)


def test_the_annotations_of_shapes_are_enforced_here() -> None:
    import torch
    from jaxtyping import TypeCheckError

    from carrousel.layers.stack import reverse

    with pytest.raises(TypeCheckError):
        reverse(torch.zeros(3, 2), torch.zeros(2, 2))
