"""One thread, and annotations unchecked: to check those of every call of a compilation takes longer than all the rest."""

import jaxtyping
import pytest
import torch


@pytest.fixture(autouse=True)
def _quick(_same_start: None, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
