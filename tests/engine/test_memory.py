"""The store of memory that is used again."""

import os
import threading
from collections import defaultdict

import pytest
import torch
from torch import Tensor

from carrousel.engine import memory


@pytest.fixture(autouse=True)
def _empty_store(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    nothing: dict[tuple[int, torch.dtype], list[Tensor]] = defaultdict(list)
    monkeypatch.setattr(memory, "_free", nothing)
    monkeypatch.setattr(memory, "_kept", 0)


def test_memory_that_is_dropped_is_handed_out_again() -> None:
    first = memory.lease(1000, torch.float32)
    place = first.tensor.data_ptr()
    del first
    assert memory.lease(990, torch.float32).tensor.data_ptr() == place


def test_memory_in_use_is_handed_to_nobody_else() -> None:
    leases = [memory.lease(1000, torch.float32) for _ in range(5)]
    assert len({lease.tensor.data_ptr() for lease in leases}) == 5


def test_number_formats_do_not_share_memory() -> None:
    first = memory.lease(1000, torch.float32)
    del first
    assert memory.lease(1000, torch.float64).tensor.dtype == torch.float64


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000, 12345, 1 << 20])
def test_a_lease_has_the_size_that_was_asked_for_and_little_more_behind_it(size: int) -> None:
    lease = memory.lease(size, torch.float32)
    assert lease.tensor.shape == (size,)
    assert size <= lease.tensor.untyped_storage().nbytes() / 4 < max(1.25 * size, size + 64) + 1


def test_the_store_keeps_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_KEPT_BYTES", 10_000)
    leases = [memory.lease(1024, torch.float32) for _ in range(5)]
    leases.clear()
    assert memory._kept == 2 * 4096
    assert sum(len(waiting) for waiting in memory._free.values()) == 2


def test_memory_made_in_inference_mode_serves_training() -> None:
    with torch.inference_mode():
        memory.lease(1000, torch.float32)
    lease = memory.lease(1000, torch.float32)
    weight = torch.ones(1000, requires_grad=True)
    torch.mul(lease.tensor.zero_(), weight.detach(), out=lease.tensor)
    assert not lease.tensor.is_inference()


def test_a_lease_dropped_while_another_is_being_taken_does_not_wait_for_it() -> None:
    held = [memory.lease(1000, torch.float32)]

    def collect_inside() -> None:
        with memory._lock:  # where a garbage collection may set in
            held.clear()

    thread = threading.Thread(target=collect_inside, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert memory._kept == 4 * 1024


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_forked_while_a_thread_takes_memory_can_take_memory() -> None:
    is_held, is_done = threading.Event(), threading.Event()

    def hold() -> None:
        with memory._lock:
            is_held.set()
            is_done.wait(timeout=60)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    is_held.wait(timeout=20)
    child = os.fork()
    if child == 0:
        os._exit(0 if memory._lock.acquire(timeout=10) and memory.lease(10, torch.float32).tensor.numel() == 10 else 1)
    is_done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_many_threads_leave_the_count_right() -> None:
    def work() -> None:
        for size in range(100, 2000, 7):
            memory.lease(size, torch.float32)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = sum(size * dtype.itemsize * len(waiting) for (size, dtype), waiting in memory._free.items())
    assert memory._kept == stored
