"""Memory of a training call: what the forward call leaves for the backward call, and the most held at any moment."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from carrousel.engine.memory import forget


@dataclass(frozen=True)
class Memory:
    """Bytes of torch's own allocations.

    Args:
        tape: held from the forward call to the backward call, the output left out.
        peak: most held at any moment.
    """

    tape: int
    peak: int


def memory(run: Callable[[], Tensor]) -> Memory:
    """Measured by torch's profiler, which sees every allocation.

    Derivatives of an earlier call, and what our engine keeps to use again, are given back first.
    """
    run()
    forget()
    y, forward = _allocations(run)
    weights = torch.ones_like(y)
    _, backward = _allocations(lambda: y.backward(weights))
    return Memory(sum(forward) - y.numel() * y.itemsize, max(accumulate([*forward, *backward])))


def _allocations(call: Callable[[], Any]) -> tuple[Any, list[int]]:
    """The result, and the bytes that each event took (or, negative, gave back), in order."""
    with _quiet(), profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        result = call()
    found = cast(Any, profiler.profiler).kineto_results.events()
    events = sorted((e.start_ns(), number, e.nbytes()) for number, e in enumerate(found) if e.name() == "[memory]")
    return result, [size for _, _, size in events]


@contextmanager
def _quiet() -> Generator[None]:
    """The profiler's own library writes its progress where errors go."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
