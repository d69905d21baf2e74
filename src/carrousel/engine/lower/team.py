"""Loops called by all threads of torch's own team at once, so that no second set of threads competes for the cores.

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

from carrousel.engine.lower.emitter import Emitter
from carrousel.engine.lower.jit import Entry, address_of, compile_text

Call = tuple[Entry, tuple[int, ...]]
"""A loop and the numbers it is called with: nine, and three more (`barrier.ARGUMENTS`) where it makes a part of the units."""

_HEADER = ("number", "size", "count")
"""What a block of arguments begins with: the functions that number the threads and count them, and how many calls follow."""

_RECORD = ("loop", *("ptr",) * 4, *("i64",) * 4, "ptr", "part", "parts", "ptr")
"""What it holds for each call: the loop, and its arguments; no parts where it takes nine."""


def call_together(calls: Sequence[Call]) -> None:
    """Call loops at the same time, each once, and wait for all.

    Those that make parts of the same units wait for each other inside: there must be no more calls than threads in a team, and
    `has_team` must say that there is one. Where the team comes out smaller than asked for, one call of each set makes all units.
    """
    if len(calls) == 1 and len(calls[0][1]) == 9:
        entry, arguments = calls[0]
        entry(*arguments)
        return
    openmp = _openmp()
    if openmp is not None:
        parallel, number, size = openmp
        block = [number, size, len(calls)]
        for entry, arguments in calls:
            block += (address_of(entry), *arguments, *(0,) * (12 - len(arguments)))
        numbers = np.array(block, dtype=np.int64)
        parallel(_team(), numbers.ctypes.data, len(calls), 0)
    else:
        waiting = [_workers(os.getpid()).submit(entry, *arguments) for entry, arguments in calls[1:]]
        entry, arguments = calls[0]
        entry(*arguments)
        for future in waiting:
            future.result()


def has_team() -> bool:
    """Whether calls that wait for each other can be made."""
    return _openmp() is not None


@cache
def _team() -> int:
    """The address of the function that each thread of a team runs: its calls of a block, every so many-th."""
    e = Emitter("float", 1)

    def field(kind: str, place: str | int) -> str:
        return e.load(kind, e.at("%block", str(place), "i64"))

    def asked(function: str) -> str:
        found = e.value(f"call i32 {field('ptr', _HEADER.index(function))}()")
        return e.value(f"sext i32 {found} to i64")

    mine, size = asked("number"), asked("size")
    count = field("i64", _HEADER.index("count"))
    is_whole_team = e.value(f"icmp sge i64 {size}, {count}")
    with e.loop(mine, count, size) as number:
        record = e.i64("add", len(_HEADER), e.i64("mul", number, len(_RECORD)))
        kinds = ["i64" if kind in ("part", "parts") else kind for kind in _RECORD[1:]]
        loop = field("ptr", record)
        values = [field(kind, e.i64("add", record, k)) for k, kind in enumerate(kinds, start=1)]
        typed = [f"{kind} {value}" for kind, value in zip(kinds, values, strict=True)]
        part, parts = values[-3:-1]
        is_all = e.value(f"icmp eq i64 {parts}, 0")
        with e.when(is_all):
            e.do(f"call void {loop}({', '.join(typed[:9])})")
        is_part = e.value(f"xor i1 {is_all}, true")
        with e.when(e.value(f"and i1 {is_part}, {is_whole_team}")):
            e.do(f"call void {loop}({', '.join(typed)})")
        is_alone = e.value(f"icmp eq i64 {part}, 0")
        is_small_team = e.value(f"xor i1 {is_whole_team}, true")
        is_for_all = e.value(f"and i1 {is_part}, {is_small_team}")
        with e.when(e.value(f"and i1 {is_for_all}, {is_alone}")):
            e.do(f"call void {loop}({', '.join([*typed[:9], 'i64 0', 'i64 1', typed[-1]])})")
    body = "\n".join(["entry:", *e.entry, *e.lines, "  ret void"])
    return address_of(compile_text(f"define void @team(ptr %block) nounwind {{\n{body}\n}}\n", "team"))


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
