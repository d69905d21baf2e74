"""A loop called by all threads of torch's own team at once, so that no second set of threads competes for the cores.

Torch's threads wait for their next product by spinning; threads of ours would have to push them off the cores first. Where
torch comes with GNU's OpenMP library, its team runs our loops; elsewhere threads of Python's do.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch

from carrousel.engine.lower.jit import Entry, address_of, compile_text

Share = tuple[int, int]
"""First row and the one after the last."""

_TEXT = """
define void @team(ptr %call) nounwind {
entry:
  %slot1 = getelementptr i64, ptr %call, i64 1
  %slot2 = getelementptr i64, ptr %call, i64 2
  %slot3 = getelementptr i64, ptr %call, i64 3
  %loop = load ptr, ptr %call, align 8
  %number = load ptr, ptr %slot1, align 8
  %size = load ptr, ptr %slot2, align 8
  %count = load i64, ptr %slot3, align 8
  %mine32 = call i32 %number()
  %all32 = call i32 %size()
  %mine = sext i32 %mine32 to i64
  %all = sext i32 %all32 to i64
  br label %head
head:
  %share = phi i64 [ %mine, %entry ], [ %next, %body ]
  %more = icmp slt i64 %share, %count
  br i1 %more, label %body, label %leave
body:
  %twice = mul i64 %share, 2
  %place = add i64 %twice, 11
  %place1 = add i64 %place, 1
  %first.p = getelementptr i64, ptr %call, i64 %place
  %last.p = getelementptr i64, ptr %call, i64 %place1
  %first = load i64, ptr %first.p, align 8
  %last = load i64, ptr %last.p, align 8
  %p4 = getelementptr i64, ptr %call, i64 4
  %p5 = getelementptr i64, ptr %call, i64 5
  %p6 = getelementptr i64, ptr %call, i64 6
  %p7 = getelementptr i64, ptr %call, i64 7
  %p8 = getelementptr i64, ptr %call, i64 8
  %p9 = getelementptr i64, ptr %call, i64 9
  %p10 = getelementptr i64, ptr %call, i64 10
  %pointers = load ptr, ptr %p4, align 8
  %strides = load ptr, ptr %p5, align 8
  %sizes = load ptr, ptr %p6, align 8
  %offsets = load ptr, ptr %p7, align 8
  %steps = load i64, ptr %p8, align 8
  %rows = load i64, ptr %p9, align 8
  %resets = load ptr, ptr %p10, align 8
  call void %loop(ptr %pointers, ptr %strides, ptr %sizes, ptr %offsets, i64 %steps, i64 %first, i64 %last, i64 %rows, ptr %resets)
  %next = add i64 %share, %all
  br label %head
leave:
  ret void
}
"""


def call_in_shares(
    entry: Entry, arrays: Sequence[int], steps: int, rows: int, resets: int, shares: Sequence[Share]
) -> None:
    """Call a loop once for each share of the rows, at the same time, and wait for all.

    Args:
        entry: the loop.
        arrays: addresses of pointers, strides, sizes and offsets.
        steps: time steps.
        rows: sequences in the batch.
        resets: address of the reset flags; 0 without.
        shares: the rows of each call.
    """
    calls = [(*arrays, steps, first, last, rows, resets or None) for first, last in shares]
    openmp = _openmp() if len(shares) > 1 else None
    if len(shares) == 1:
        entry(*calls[0])
    elif openmp is not None:
        parallel, number, size = openmp
        numbers = [address_of(entry), number, size, len(shares), *arrays, steps, rows, resets]
        call = np.array([*numbers, *(bound for share in shares for bound in share)], dtype=np.int64)
        parallel(address_of(compile_text(_TEXT, "team")), call.ctypes.data, len(shares), 0)
    else:
        waiting = [_workers(os.getpid()).submit(entry, *call) for call in calls[1:]]
        entry(*calls[0])
        for future in waiting:
            future.result()


@cache
def _openmp() -> tuple[Callable[[int, int, int, int], None], int, int] | None:
    """How to start torch's team, and the addresses of the functions that number its threads; None without GNU's library."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        library = ctypes.CDLL(str(path))
        parallel = library.GOMP_parallel
        parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        parallel.restype = None
        number, size = (
            ctypes.cast(getattr(library, name), ctypes.c_void_p).value
            for name in ("omp_get_thread_num", "omp_get_num_threads")
        )
        if number and size:
            return parallel, number, size
    return None


@lru_cache(maxsize=1)
def _workers(_process: int) -> ThreadPoolExecutor:  # threads do not survive a fork
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="carrousel")
