"""Matrices laid out as the register tiles read them: head, vector of units, element of the operand, matrix, lane."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor

from carrousel.engine.lower.emitter import ELEMENTS, Emitter
from carrousel.engine.lower.jit import Entry, compile_text
from carrousel.engine.lower.loop import Buffer


def pack(buffer: Buffer, params: Mapping[str, Tensor], width: int, heads: int = 1) -> Tensor:
    """The matrices of one vector in new memory.

    Args:
        buffer: names the matrices: (rows, columns), or (heads, rows, columns).
        params: name -> matrix.
        width: elements of a vector register.
        heads: parts of the units that have vectors of their own.
    """
    matrices = [params[name].detach() for name, _ in buffer.packing]
    numbers = [_numbers(matrix, turned, heads) for matrix, (_, turned) in zip(matrices, buffer.packing, strict=True)]
    length, units = numbers[0][:2]
    vectors = -(-units // width)
    packed = torch.empty(heads, vectors, length, len(matrices), width, dtype=matrices[0].dtype)
    pointers = np.array([packed.data_ptr(), *(matrix.data_ptr() for matrix in matrices)], dtype=np.int64)
    strides = np.array([stride for _, _, *strides in numbers for stride in strides], dtype=np.int64)
    sizes = np.array([heads, vectors, length, units], dtype=np.int64)
    entry = _packer(ELEMENTS[packed.dtype], width)
    addresses = [array.ctypes.data for array in (pointers, strides, sizes)]
    entry(*addresses, None, len(matrices), 0, 0, 0, None)
    return packed


def _numbers(matrix: Tensor, is_turned: bool, heads: int) -> tuple[int, int, int, int, int]:
    """Length of the operand, units of a head, and the distances between heads, elements of the operand, and units."""
    unit, element = (matrix.dim() - 1, matrix.dim() - 2) if is_turned else (matrix.dim() - 2, matrix.dim() - 1)
    units = matrix.shape[unit] if matrix.dim() == 3 else matrix.shape[unit] // heads
    head = matrix.stride(0) if matrix.dim() == 3 else units * matrix.stride(unit)
    return matrix.shape[element], units, head, matrix.stride(element), matrix.stride(unit)


@cache
def _packer(element: str, width: int) -> Entry:
    """Copies element by element: sizes are heads, vectors, length and units; strides are three for each matrix."""
    e = Emitter(element, width)
    heads, vectors, length, units = (e.argument("i64", "%sizes", str(k)) for k in range(4))
    packed = e.argument("ptr", "%pointers", "0")
    with e.loop(0, "%steps") as matrix:
        source = e.argument("ptr", "%pointers", e.i64("add", matrix, 1))
        first = e.i64("mul", matrix, 3)
        by_head, by_element, by_unit = (e.argument("i64", "%strides", e.i64("add", first, k)) for k in range(3))
        with e.loop(0, heads) as head, e.loop(0, vectors) as vector:
            unit = e.i64("mul", vector, width)
            start = e.i64("add", e.i64("mul", head, by_head), e.i64("mul", unit, by_unit))
            mask = e.lanes_below(e.i64("sub", units, unit))
            row = e.i64("mul", e.i64("add", e.i64("mul", head, vectors), vector), length)
            is_close = e.value(f"icmp eq i64 {by_unit}, 1")
            is_apart = e.value(f"xor i1 {is_close}, true")
            for condition in (is_close, is_apart):
                with e.when(condition), e.loop(0, length) as k:
                    place = e.at(source, e.i64("add", start, e.i64("mul", k, by_element)))
                    lanes = e.masked_load(place, mask) if condition == is_close else e.gather(place, by_unit, mask)
                    into = e.i64("add", e.i64("mul", e.i64("add", row, k), "%steps"), matrix)
                    e.do(f"store {e.vector} {lanes}, ptr {e.at(packed, e.i64('mul', into, width))}, align {e.bytes}")
    return compile_text(e.function("pack"), "pack")
