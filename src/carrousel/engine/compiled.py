"""A plan in machine code, and the call of its loops on all rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carrousel.engine.graph import Graph, axis_size
from carrousel.engine.lower.barrier import barrier_memory, has_waited
from carrousel.engine.lower.emitter import ELEMENTS
from carrousel.engine.lower.jit import compile_text, vector_bytes
from carrousel.engine.lower.loop import Loop
from carrousel.engine.lower.packing import pack
from carrousel.engine.lower.team import Call, call_together, has_team
from carrousel.engine.plan import Kind, Plan
from carrousel.engine.rows import Rows
from carrousel.engine.threads import PATIENCE, SHARED_UNITS, Load, deal, phase_work, worth_threads
from carrousel.engine.verdicts import switched_off

FUSED = "+x"
"""Marks the kind of a loop that makes the products on x_t, or the derivative of x_t, in its own tiles."""

ROWS_WORTH_FUSING = 2
"""Rows a thread from which on a tile in the loop is as full as one of a product over all steps."""


class Ready:
    """A loop in machine code, and all about its arguments that holds for every call."""

    def __init__(self, loop: Loop, graph: Graph) -> None:
        self.loop = loop
        self.entry = compile_text(loop.text, loop.symbol)
        self.row_sizes = [_axes_size(graph, buffer.axes) for buffer in loop.buffers]
        self.sizes = np.array([axis_size(axis, graph.sizes) for axis in loop.axes], dtype=np.int64)
        self.sizes_at = self.sizes.ctypes.data


class Compiled:
    """The loops of one plan in one number format."""

    def __init__(self, plan: Plan, dtype: torch.dtype) -> None:
        self.plan, self.dtype = plan, dtype
        self.element, self.width = ELEMENTS[dtype], vector_bytes() // dtype.itemsize
        self.output_size = elements(plan.loop, plan.output)
        self._loops: dict[tuple[Kind, bool], Ready] = {}
        self._loads: dict[Kind, Load] = {}
        self._written: dict[Kind, list[tuple[str, int]]] = {}

    def loop(self, kind: Kind, *, is_shared: bool = False) -> Ready:
        """The loop "train", "infer" or "backward", compiled on first use; `is_shared` where threads share the units of its rows."""
        if (kind, is_shared) not in self._loops:
            loop = self.plan.loop_of(kind, self.element, self.width, is_shared=is_shared)
            self._loops[kind, is_shared] = Ready(loop, self.plan.loop)
        return self._loops[kind, is_shared]

    def written(self, kind: Kind) -> list[tuple[str, int]]:
        """Names and sizes of the rows that a loop writes for every step."""
        if kind not in self._written:
            graph = self.plan.graph_of(kind)
            self._written[kind] = [(name, elements(graph, name)) for name in self.plan.written(kind)]
        return self._written[kind]

    def is_fused(self, rows: Rows) -> bool:
        """Whether the products on x_t are made in the loop."""
        if self.plan.fused is None:
            return False
        threads = min(worth_threads(self.load("train").work * rows.total, torch.get_num_threads()), rows.batch)
        return rows.total >= ROWS_WORTH_FUSING * rows.steps * threads

    def load(self, kind: Kind) -> Load:
        """What a step of one sequence takes."""
        if kind not in self._loads:
            graph, phases = self.plan.graph_of(kind), self.plan.phases_of(kind)
            work = tuple(phase_work(graph, phase) for phase in phases)
            self._loads[kind] = Load(work, self.plan.cuts(kind), self.width)
        return self._loads[kind]


@dataclass(frozen=True)
class LoopCall:
    """A loop and its memory.

    Args:
        compiled: the loops of a plan.
        kind: which of them.
        rows: how its sequences lie in memory.
        streams: a row for every step of every sequence, by name.
        carries: the two halves of each state field.
        shared: parameters, and what is made of them.
    """

    compiled: Compiled
    kind: Kind
    rows: Rows
    streams: Mapping[str, Tensor]
    carries: Mapping[str, Tensor]
    shared: Mapping[str, Tensor]


def execute(calls: Sequence[LoopCall]) -> None:
    """Run loops that do not wait for each other, side by side, over as many threads as pay."""
    loads = tuple(call.compiled.load(call.kind) for call in calls)
    sequences = tuple((call.rows.batch, call.rows.total) for call in calls)
    can_meet = has_team() and PATIENCE.is_there() and not switched_off(SHARED_UNITS)
    chosen = deal(loads, sequences, torch.get_num_threads(), can_meet=can_meet)
    held: list[object] = []  # what only these calls own must outlive them
    barriers: list[NDArray[np.int64]] = []
    numbers: list[Call] = []
    for call in calls:
        ready = call.compiled.loop(call.kind, is_shared=chosen.parts > 1)
        before, after, memory = _arguments(call, ready)
        held.append(memory)
        for first, last in call.rows.shares(chosen.shares):
            arguments = (*before, first, last, *after)
            if chosen.parts == 1:
                numbers.append((ready.entry, arguments))
                continue
            barriers.append(barrier_memory(chosen.parts))
            place = barriers[-1].ctypes.data
            numbers += [(ready.entry, (*arguments, part, chosen.parts, place)) for part in range(chosen.parts)]
    call_together(numbers)
    if barriers:
        PATIENCE.learn(had_to_wait=any(has_waited(barrier) for barrier in barriers))


def _arguments(call: LoopCall, ready: Ready) -> tuple[tuple[int, ...], tuple[int, int], object]:
    """The numbers that a loop is called with, before and after those of the rows, and the memory they lead to."""
    rows, held, strides = call.rows, list[Tensor](), list[int]()
    halves = 1 if ready.loop.cuts is None else 2
    for buffer, size in zip(ready.loop.buffers, ready.row_sizes, strict=True):
        if buffer.kind == "stream":
            tensor = call.streams[buffer.name]
        elif buffer.kind == "carry":
            tensor = call.carries[buffer.name]
        elif buffer.kind == "vector":
            tensor = call.shared[buffer.name].detach().contiguous()
        elif buffer.kind == "packed":
            tensor = pack(buffer, call.shared, call.compiled.width, size)
        else:
            tensor = torch.empty(halves * rows.batch * size, dtype=call.compiled.dtype)
        held.append(tensor)
        strides.append(tensor.stride(0) if buffer.kind == "stream" else 0)
    numbers = np.array([*[tensor.data_ptr() for tensor in held], *strides], dtype=np.int64)
    pointers = numbers.ctypes.data
    addresses = pointers, pointers + len(held) * numbers.itemsize, ready.sizes_at, rows.offsets.ctypes.data
    resets = 0 if rows.resets is None else rows.resets.data_ptr()
    return (*addresses, rows.steps), (rows.batch, resets), (held, numbers)


def elements(graph: Graph, name: str) -> int:
    """Elements of a value."""
    return _axes_size(graph, graph[name].shape)


def _axes_size(graph: Graph, axes: Sequence[str]) -> int:
    return axis_size("*".join(("1", *axes)), graph.sizes)
