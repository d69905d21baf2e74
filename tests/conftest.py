"""What every test gets: the package's shape annotations enforced, and the same seeds, threads and environment."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from jaxtyping import install_import_hook

PACKAGE = Path(__file__).parent.parent / "src" / "carrousel"
UNCHECKED = {"engine.lower", "engine.passes", "engine.views", "engine.graph", "engine.derivatives", "engine.plan"}
"""The compiler: it handles no tensor, and one compilation makes tens of thousands of calls."""


def _checked_modules() -> list[str]:
    """Every module and package of the first two levels but the compiler's, and `interpret`."""
    paths = [path for pattern in ("*", "engine/*") for path in PACKAGE.glob(pattern)]
    paths = [path for path in paths if path.is_dir() or path.suffix == ".py"]
    names = {path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".") for path in paths}
    names = {name for name in names if not name.rpartition(".")[2].startswith("_")}
    return [f"carrousel.{name}" for name in sorted(names - UNCHECKED - {"engine"} | {"engine.lower.interpret"})]


install_import_hook(_checked_modules(), "type_checker.checked")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Machine code is compiled into a folder of this run, so that no earlier run's code is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _same_start(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Seeds, threads and the environment that output depends on, reset for each test."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(1)  # one test a core; those of several threads say so
        torch.set_default_dtype(torch.float32)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def annotations_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compilation makes tens of thousands of calls: to check the annotations of each takes longer than all the rest."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def source() -> Path:
    """The package's source folder."""
    return Path(__file__).parent.parent / "src" / "carrousel"
