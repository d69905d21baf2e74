"""The calls into torch.cuda that make a recording, noted instead of made: their order, their streams, and what a failure leaves."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from carrousel.engine.lower import cuda_graph
from carrousel.engine.lower.cuda_graph import CudaRecorder

GPU = torch.device("cuda", 1)
pytestmark = pytest.mark.tiny


@dataclass
class Noted:
    """Stands in for torch.cuda; streams are names."""

    events: list[str] = field(default_factory=list[str])
    stream_now: str = "default"
    num_streams: int = 0
    reserved: int = 0
    is_recording: bool = False

    def note(self, event: str) -> None:
        self.events.append(f"{self.stream_now}: {event}")

    def current_stream(self, device: Any = None) -> Any:
        return stream(self, self.stream_now)

    def Stream(self, device: torch.device) -> Any:
        assert device == GPU
        self.num_streams += 1
        return stream(self, f"side {self.num_streams}")

    def set_stream(self, given: Any) -> None:
        self.stream_now = str(given)

    @contextmanager
    def stream(self, given: Any) -> Generator[None]:
        before, self.stream_now = self.stream_now, str(given)
        yield
        self.stream_now = before

    @contextmanager
    def device(self, device: torch.device) -> Generator[None]:
        assert device == GPU
        yield

    def synchronize(self) -> None:
        self.note("synchronize")

    def CUDAGraph(self) -> Any:
        return SimpleNamespace(replay=lambda: self.note("replay"))

    @contextmanager
    def graph(self, graph: Any, *, stream: Any, capture_error_mode: str) -> Generator[None]:
        """As torch's own, this one does not come back to the caller's stream when the recording fails."""
        before, self.stream_now = self.stream_now, str(stream)
        self.note(f"begin, {capture_error_mode}")
        yield
        self.note("end")
        self.stream_now = before

    def mem_get_info(self, device: torch.device) -> tuple[int, int]:
        return 10, 100

    def memory_reserved(self, device: torch.device) -> int:
        return self.reserved

    def memory_allocated(self, device: torch.device) -> int:
        return 5

    def is_current_stream_capturing(self) -> bool:
        return self.is_recording


class stream(str):
    """A stream that notes what it waits for."""

    cuda: Noted

    def __new__(cls, cuda: Noted, name: str) -> "stream":
        made = super().__new__(cls, name)
        made.cuda = cuda
        return made

    def wait_stream(self, other: str) -> None:
        self.cuda.events.append(f"{self} waits for {other}")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Noted:
    noted = Noted()
    monkeypatch.setattr(cuda_graph, "torch", SimpleNamespace(cuda=noted))
    return noted


def test_work_is_warmed_up_and_recorded_on_one_side_stream_and_replayed_on_the_callers(cuda: Noted) -> None:
    def work() -> list[Tensor]:
        cuda.note("work")
        return []

    recorder = CudaRecorder()
    recorder.warm_up(work, GPU)
    tensors, replay = recorder.record(work, GPU)
    replay()
    assert tensors == []
    assert cuda.events == [
        "side 1 waits for default",
        *["side 1: work"] * 3,
        "default waits for side 1",
        "default: synchronize",
        "side 1: begin, thread_local",
        "side 1: work",
        "side 1: end",
        "default: replay",
    ]
    cuda.stream_now = "another"
    recorder.warm_up(work, GPU)
    assert cuda.events[-6] == "side 2 waits for another"


def test_after_a_recording_that_fails_the_callers_stream_is_the_current_one(cuda: Noted) -> None:
    def work() -> list[Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match=r"^operation not permitted when stream is capturing$"):
        CudaRecorder().record(work, GPU)
    assert cuda.stream_now == "default"


def test_there_is_room_where_a_quarter_of_the_memory_is_free_or_kept_for_nothing(cuda: Noted) -> None:
    found: list[bool] = []
    for cuda.reserved in (5, 19, 20, 30):
        found.append(CudaRecorder().has_room(GPU))
    assert found == [False, False, True, True]


def test_nothing_is_recorded_inside_a_recording(cuda: Noted) -> None:
    assert CudaRecorder().is_free(GPU)
    cuda.is_recording = True
    assert not CudaRecorder().is_free(GPU)
