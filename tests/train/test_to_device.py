"""Batches on their way to a GPU; where there is none, torch's calls are stood in for and counted."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from carrousel.data import Ragged
from carrousel.models.classifier.rows import Rows
from carrousel.train.to_device import to_device

pytestmark = pytest.mark.tiny
GPU = torch.device("cuda")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked of torch: "pin", or device and whether the copy may be waited for later."""
    found: list[Any] = []

    def pin_memory(x: Tensor) -> Tensor:
        found.append("pin")
        return x

    def to(x: Tensor, device: torch.device, *, non_blocking: bool = False) -> Tensor:
        found.append((device.type, non_blocking))
        return x

    monkeypatch.setattr(Tensor, "pin_memory", pin_memory)
    monkeypatch.setattr(Tensor, "to", to)
    return found


def test_to_a_gpu_numbers_go_through_pinned_memory(calls: list[Any]) -> None:
    to_device(torch.zeros(3), GPU)
    assert calls == ["pin", ("cuda", True)]


@pytest.mark.parametrize(("begin", "end"), [("cpu", "cpu"), ("meta", "cuda"), ("cpu", "meta")])
def test_elsewhere_nothing_is_pinned(calls: list[Any], begin: str, end: str) -> None:
    to_device(torch.zeros(3, device=begin), torch.device(end))
    assert calls == [(end, False)]


def test_on_the_cpu_a_tensor_stays_the_one_it_is() -> None:
    x = torch.zeros(3)
    assert to_device(x, torch.device("cpu")) is x


def test_every_part_of_a_batch_is_pinned(calls: list[Any]) -> None:
    rows = Rows((Ragged.of([np.arange(3), np.arange(2)]),), np.array([0, 1]), ["a", "b"], np.zeros((2, 1), np.int64))
    batch = rows.batch(np.array([1, 0]))
    calls.clear()
    batch.to(GPU)
    assert calls == ["pin", ("cuda", True)] * 5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_many_copies_keep_their_numbers() -> None:
    parts = [torch.full((1_000,), k) for k in range(1_000)]
    assert [int(x.sum()) for x in [to_device(part, GPU) for part in parts]] == [1_000 * k for k in range(1_000)]
