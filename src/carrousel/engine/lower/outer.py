"""Sums of outer products over all rows: the derivative of a matrix from what it met at every step, as machine code.

Both factors are read as they lie, row after row, so that neither is turned over first. A panel of columns of one factor stays in
the first cache while the register tiles pass over it; the lines of the other that the next tile reads are asked for in advance.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from carrousel.engine.lower.emitter import ELEMENTS, Emitter
from carrousel.engine.lower.jit import Entry, compile_text, vector_bytes
from carrousel.engine.lower.team import call_together

_ROWS = {4: 6, 2: 12, 1: 24}
"""Vectors of a register tile -> its rows."""

_CHUNK = 96
"""Rows of the factors that are summed in registers: a panel of four vectors of them fits the first cache."""

_LINE_BYTES = 64
_WORTH_A_THREAD = 500_000
"""Multiplications below which another thread costs more than it saves."""


def outer_sum(a: Tensor, b: Tensor) -> Tensor:
    """The sum over k of the outer products of a[k] and b[k]: a.T @ b, shape (M, N), in the first factor's format.

    Args:
        a: (K, M).
        b: (K, N).
    """
    a, b = (factor if factor.stride(1) == 1 else factor.contiguous() for factor in (a, b))
    (count, height), width = a.shape, b.shape[1]
    out = (torch.empty if count else torch.zeros)(height, width, dtype=a.dtype)
    pointers = np.array([a.data_ptr(), b.data_ptr(), out.data_ptr()], dtype=np.int64)
    strides = np.array([a.stride(0), b.stride(0)], dtype=np.int64)
    sizes = np.array([count, width], dtype=np.int64)
    before = (*(array.ctypes.data for array in (pointers, strides, sizes)), 0, 0)
    tile = max(_ROWS.values())  # of which each share has a whole number, but for the last
    tiles = -(-height // tile)
    parts = max(1, min(torch.get_num_threads(), tiles, count * height * width // _WORTH_A_THREAD))
    bounds = [min(round(k * tiles / parts) * tile, height) for k in range(parts + 1)]
    call_together([(_kernel(a.dtype), (*before, first, last, 0, 0)) for first, last in pairwise(bounds)])
    return out


@cache
def _kernel(dtype: torch.dtype) -> Entry:
    e = Emitter(ELEMENTS[dtype], vector_bytes() // dtype.itemsize)
    _Kernel(e).emit()
    return compile_text(e.function("outer"), "outer")


class _Kernel:
    """Text of the function: sizes are K and N, strides those of the rows, a share the rows of the result."""

    def __init__(self, e: Emitter) -> None:
        self.e = e
        self.a, self.b, self.out = (e.argument("ptr", "%pointers", str(k)) for k in range(3))
        self.a_row, self.b_row = (e.argument("i64", "%strides", str(k)) for k in range(2))
        self.count, self.columns = (e.argument("i64", "%sizes", str(k)) for k in range(2))
        self.panel = e.local(e.vector, str(_CHUNK * max(_ROWS)))

    def emit(self) -> None:
        """All chunks of rows, and in each all panels of columns."""
        e = self.e
        vectors = e.i64("sdiv", e.i64("add", self.columns, e.width - 1), e.width)
        with e.loop(0, self.count, _CHUNK) as chunk:
            self.chunk = chunk
            self.length = e.minimum(e.i64("sub", self.count, chunk), _CHUNK)
            self.is_later = e.splat_truth(e.value(f"icmp sgt i64 {chunk}, 0"))
            start = "0"
            for wide in _ROWS:
                stop = e.i64("mul", e.i64("sdiv", vectors, wide), wide)
                with e.loop(start, stop, wide) as vector:
                    self._panel(wide, e.i64("mul", vector, e.width))
                start = stop

    def _panel(self, wide: int, column: str) -> None:
        """The columns of one panel, copied together, with all rows of the share."""
        e = self.e
        left = e.i64("sub", self.columns, column)
        masks = [e.lanes_below(e.i64("sub", left, u * e.width)) for u in range(wide)]
        with e.loop(0, self.length) as k:
            row = e.at(self.b, e.i64("add", e.i64("mul", e.i64("add", self.chunk, k), self.b_row), column))
            for u, mask in enumerate(masks):
                e.store_whole(e.masked_load(e.at(row, str(u * e.width)), mask), self._in_panel(k, wide, u))
        start, rows = "%first", _ROWS[wide]
        while rows:
            whole = e.i64("mul", e.i64("sdiv", e.i64("sub", "%last", start), rows), rows)
            stop = e.i64("add", start, whole)
            with e.loop(start, stop, rows) as first:
                self._tile(rows, column, first, masks)
            start, rows = stop, rows // 2

    def _tile(self, rows: int, column: str, first: str, masks: list[str]) -> None:
        """Some rows of the result in one panel's columns, with this chunk's part added."""
        e, wide = self.e, len(masks)
        known = [e.value(f"and {e.mask} {mask}, {self.is_later}") for mask in masks]
        totals: dict[tuple[int, int], str] = {}
        for r in range(rows):
            row = e.at(self.out, e.i64("add", e.i64("mul", e.i64("add", first, r), self.columns), column))
            for u in range(wide):
                totals[r, u] = e.local(e.vector)
                e.store_whole(e.masked_load(e.at(row, str(u * e.width)), known[u]), totals[r, u])
        with e.loop(0, self.length) as k:
            row = e.at(self.a, e.i64("add", e.i64("mul", e.i64("add", self.chunk, k), self.a_row), first))
            e.prefetch(e.at(row, str(_LINE_BYTES // e.bytes)))
            lanes = [e.load_whole(self._in_panel(k, wide, u)) for u in range(wide)]
            for r in range(rows):
                factor = e.splat(e.load(e.element, e.at(row, str(r))))
                for u in range(wide):
                    e.store_whole(e.fma(factor, lanes[u], e.load_whole(totals[r, u])), totals[r, u])
        for r in range(rows):
            row = e.at(self.out, e.i64("add", e.i64("mul", e.i64("add", first, r), self.columns), column))
            for u in range(wide):
                e.masked_store(e.load_whole(totals[r, u]), e.at(row, str(u * e.width)), masks[u])

    def _in_panel(self, k: str, wide: int, u: int) -> str:
        return self.e.at(self.panel, self.e.i64("add", self.e.i64("mul", k, wide), u), self.e.vector)
