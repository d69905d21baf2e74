"""A place where the threads that share the units of a step wait for each other: they spin, for a step takes microseconds.

Each part has a counter on a cache line of its own, which it alone writes: how many barriers it has reached (and beside it, how long
it had to wait without its core). A part goes on when no counter is behind its own. Two threads meet in the time that one line takes
from core to core.

Where other work keeps a thread off its core, the others give theirs away while they wait. When that took long, the first part
tells the others, at a barrier, to leave, and makes all units of the steps that are left alone.
"""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from carrousel.engine.lower.jit import target
from carrousel.engine.lower.memory_map import MemoryMap

_LINE = 128
"""Bytes that two cores never fight over: two cache lines, because some processors fetch them in pairs."""

_SPINS = 2000
"""Looks at a counter, some 50 microseconds, after which a core is given away."""

_PATIENCE_NS = 200_000
"""Time lost in one call, beyond the spinning, after which the first part goes on alone."""

ARGUMENTS = ("part", "parts", "place")
"""Further arguments of a loop whose units are shared out: which part, of how many, and the memory of the barrier."""


@cache
def _system() -> tuple[int, int]:
    """Where the functions lie that give a core away and tell the time."""
    library = ctypes.CDLL(None)
    found = (ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in ("sched_yield", "clock_gettime"))
    give_away, clock = (address or 0 for address in found)
    return give_away, clock


def barrier_memory(parts: int) -> NDArray[np.int64]:
    """Memory for one call by so many parts."""
    words = _LINE // 8
    memory = np.zeros((parts + 2) * words, dtype=np.int64)
    skipped = -memory.ctypes.data % _LINE // 8
    place = memory[skipped : skipped + (parts + 1) * words]
    place[1:3] = _system()
    return place


def has_waited(memory: NDArray[np.int64]) -> bool:
    """Whether the first part went on alone, or any part lost as much time as that takes."""
    words = _LINE // 8
    return bool(memory[0]) or int(memory[words + 1 :: words].max()) > _PATIENCE_NS


class Barrier:
    """The barriers of one loop.

    Args:
        memory: of the loop, its units dealt out.
    """

    def __init__(self, memory: MemoryMap) -> None:
        self.memory, self.e = memory, memory.e
        self.count, self.lost = self.e.local("i64"), self.e.local("i64")
        self.e.store("i64", "0", self.count)
        self.e.store("i64", "0", self.lost)

    def emit(self, *, is_first: bool) -> None:
        """Wait for the others, if there are any; at the first barrier of a step all but one part may be told to leave."""
        e, memory = self.e, self.memory
        part = e.load("i64", memory.part)
        with e.when(e.value(f"icmp sgt i64 {e.load('i64', memory.parts)}, 1")):
            count = e.i64("add", e.load("i64", self.count), 1)
            e.store("i64", count, self.count)
            if is_first:
                is_lost = e.value(f"icmp sgt i64 {e.load('i64', self.lost)}, {_PATIENCE_NS}")
                is_told = e.value(f"icmp eq i64 {part}, 0")
                with e.when(e.value(f"and i1 {is_lost}, {is_told}")):
                    e.do(f"store atomic i64 {count}, ptr %place monotonic, align 8")
            e.do(f"call void @meet(ptr %place, i64 {part}, i64 %parts, i64 {count}, ptr {self.lost})")
            if is_first:
                last = e.value("load atomic i64, ptr %place monotonic, align 8")
                with e.when(e.value(f"icmp eq i64 {last}, {count}")):
                    self._part_company(part)

    def _part_company(self, part: str) -> None:
        e, memory = self.e, self.memory
        stays, leaves = e.name("stays"), e.name("leaves")
        e.do(f"br i1 {e.value(f'icmp eq i64 {part}, 0')}, label {stays}, label {leaves}")
        e.lines += [f"{leaves[1:]}:", "  ret void", f"{stays[1:]}:"]
        e.store("i64", "1", memory.parts)
        memory.set_bounds()


def meet() -> str:
    """The function that waits, as LLVM text."""
    triple, _, _ = target()
    processor = triple.partition("-")[0]
    is_arm = processor in ("aarch64", "arm64")
    pause, declaration = "", ""
    if processor in ("x86_64", "i386", "i686"):
        pause, declaration = "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"
    elif is_arm:
        pause, declaration = "call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"
    return f"""
{declaration}
define internal void @meet(ptr %place, i64 %part, i64 %parts, i64 %count, ptr %lost) noinline nounwind {{
entry:
  %before = alloca i64, align 8
  %time = alloca [2 x i64], align 8
  %own.number = add i64 %part, 1
  %own = getelementptr [{_LINE} x i8], ptr %place, i64 %own.number
  store atomic i64 %count, ptr %own release, align 8
  br label %next
next:
  %other = phi i64 [ 1, %entry ], [ %following, %arrived ]
  %is.one = icmp sle i64 %other, %parts
  br i1 %is.one, label %first, label %leave
first:
  %counter = getelementptr [{_LINE} x i8], ptr %place, i64 %other
  store i64 0, ptr %before, align 8
  br label %look
look:
  %spins = phi i64 [ 0, %first ], [ %more, %spin ], [ %more, %slow ]
  %seen = load atomic i64, ptr %counter acquire, align 8
  %is.there = icmp sge i64 %seen, %count
  br i1 %is.there, label %arrived, label %wait
wait:
  %more = add i64 %spins, 1
  %is.long = icmp sgt i64 %more, {_SPINS}
  br i1 %is.long, label %slow, label %spin
spin:
  {pause}
  br label %look
slow:
  %at.give = getelementptr i64, ptr %place, i64 1
  %at.clock = getelementptr i64, ptr %place, i64 2
  %give = load ptr, ptr %at.give, align 8
  %clock = load ptr, ptr %at.clock, align 8
  %given = call i32 %give()
  %told = call i32 %clock(i32 1, ptr %time)
  %at.ns = getelementptr i64, ptr %time, i64 1
  %s = load i64, ptr %time, align 8
  %ns = load i64, ptr %at.ns, align 8
  %whole = mul i64 %s, 1000000000
  %now = add i64 %whole, %ns
  %then = load i64, ptr %before, align 8
  store i64 %now, ptr %before, align 8
  %is.fresh = icmp eq i64 %then, 0
  %elapsed = sub i64 %now, %then
  %taken = select i1 %is.fresh, i64 0, i64 %elapsed
  %old = load i64, ptr %lost, align 8
  %new = add i64 %old, %taken
  store i64 %new, ptr %lost, align 8
  %own.lost = getelementptr i64, ptr %own, i64 1
  store i64 %new, ptr %own.lost, align 8
  br label %look
arrived:
  %following = add i64 %other, 1
  br label %next
leave:
  ret void
}}
"""
