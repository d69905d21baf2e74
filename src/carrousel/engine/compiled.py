"""A plan in machine code, and the call of its loops on all rows."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from carrousel.engine.graph import Graph, axis_size
from carrousel.engine.lower.emitter import ELEMENTS
from carrousel.engine.lower.jit import compile_text, vector_bytes
from carrousel.engine.lower.loop import Loop
from carrousel.engine.lower.packing import pack
from carrousel.engine.lower.team import call_in_shares
from carrousel.engine.plan import Plan
from carrousel.engine.rows import Rows

_WORTH_A_THREAD = 200_000
"""Multiplications below which handing half of the rows to another thread costs more than it saves."""


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


class Compiled:
    """The loops of one plan in one number format."""

    def __init__(self, plan: Plan, dtype: torch.dtype) -> None:
        self.plan, self.dtype = plan, dtype
        self.element, self.width = ELEMENTS[dtype], vector_bytes() // dtype.itemsize
        self.output_size = elements(plan.loop, plan.output)
        self._loops: dict[str, Ready] = {}
        self._work = _work(plan.loop)

    def loop(self, kind: str) -> Ready:
        """The loop "train", "infer" or "backward", or with FUSED its form with the products on x_t; compiled on first use."""
        if kind not in self._loops:
            base, is_fused = kind.removesuffix(FUSED), kind.endswith(FUSED)
            if base == "backward":
                loop = self.plan.backward_loop(self.element, self.width, is_fused=is_fused)
            else:
                is_training = base == "train"
                loop = self.plan.forward_loop(self.element, self.width, is_training=is_training, is_fused=is_fused)
            self._loops[kind] = Ready(loop, self.plan.loop)
        return self._loops[kind]

    def execute(
        self,
        kind: str,
        rows: Rows,
        streams: Mapping[str, Tensor],
        carries: Mapping[str, Tensor],
        shared: Mapping[str, Tensor],
    ) -> None:
        """Call a loop on all rows, over as many threads as pay."""
        ready = self.loop(kind)
        held: list[Tensor] = []  # what only this call owns must outlive it
        for buffer, size in zip(ready.loop.buffers, ready.row_sizes, strict=True):
            if buffer.kind == "stream":
                tensor = streams[buffer.name]
            elif buffer.kind == "carry":
                tensor = carries[buffer.name]
            elif buffer.kind == "vector":
                tensor = shared[buffer.name].detach().contiguous()
            elif buffer.kind == "packed":
                tensor = pack(buffer, shared, self.width, size)
            else:
                tensor = torch.empty(rows.batch * size, dtype=self.dtype)
            held.append(tensor)
        pointers = np.array([tensor.data_ptr() for tensor in held], dtype=np.int64)
        strides = np.array([tensor.stride(0) if tensor.dim() else 0 for tensor in held], dtype=np.int64)
        arrays = [array.ctypes.data for array in (pointers, strides, ready.sizes, rows.offsets)]
        resets = 0 if rows.resets is None else rows.resets.data_ptr()
        shares = rows.shares(self._threads(rows))
        call_in_shares(ready.entry, arrays, rows.steps, rows.batch, resets, shares)

    def is_fused(self, rows: Rows) -> bool:
        """Whether the products on x_t are made in the loop."""
        return self.plan.fused is not None and rows.total >= ROWS_WORTH_FUSING * rows.steps * self._threads(rows)

    def _threads(self, rows: Rows) -> int:
        worth = self._work * rows.total // _WORTH_A_THREAD
        return max(1, min(torch.get_num_threads(), rows.batch, worth))


def _work(loop: Graph) -> int:
    """Multiplications of one step of one sequence, an elementwise operation counted as thirty."""
    matrices = [matrix for node in loop.nodes if node.op == "products" for matrix in node.args[::2]]
    return sum(elements(loop, matrix) for matrix in matrices) + 30 * sum(elements(loop, n.name) for n in loop.computed)


def elements(graph: Graph, name: str) -> int:
    """Elements of a value."""
    return _axes_size(graph, graph[name].shape)


def _axes_size(graph: Graph, axes: Sequence[str]) -> int:
    return axis_size("*".join(("1", *axes)), graph.sizes)
