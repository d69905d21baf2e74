"""Matrices laid out as the register tiles read them: head, vector of units, element of the operand, matrix, lane."""

from collections.abc import Mapping
from functools import cache, lru_cache

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
    layout = tuple([(tuple(matrix.shape), matrix.stride()) for matrix in matrices])
    shape, addresses, _ = _layout(layout, tuple([turned for _, turned in buffer.packing]), width, heads)
    packed = torch.empty(shape, dtype=matrices[0].dtype)
    pointers = np.array([packed.data_ptr(), *[matrix.data_ptr() for matrix in matrices]], dtype=np.int64)
    entry = _packer(ELEMENTS[packed.dtype], width)
    entry(pointers.ctypes.data, *addresses, None, len(matrices), 0, 0, 0, None)
    return packed


_Layout = tuple[tuple[int, ...], tuple[int, ...]]
"""Shape and strides of a matrix."""


@lru_cache(maxsize=512)
def _layout(
    matrices: tuple[_Layout, ...], turned: tuple[bool, ...], width: int, heads: int
) -> tuple[tuple[int, ...], tuple[int, int], object]:
    """The shape of the packed matrices, the addresses of the packer's strides and sizes, and the memory that these lie in."""
    numbers = [_numbers(*matrix, is_turned, heads) for matrix, is_turned in zip(matrices, turned, strict=True)]
    length, units = numbers[0][:2]
    vectors = -(-units // width)
    strides = np.array([stride for _, _, *strides in numbers for stride in strides], dtype=np.int64)
    sizes = np.array([heads, vectors, length, units], dtype=np.int64)
    return (heads, vectors, length, len(matrices), width), (strides.ctypes.data, sizes.ctypes.data), (strides, sizes)


def _numbers(
    shape: tuple[int, ...], strides: tuple[int, ...], is_turned: bool, heads: int
) -> tuple[int, int, int, int, int]:
    """Length of the operand, units of a head, and the distances between heads, elements of the operand, and units."""
    unit, element = (len(shape) - 1, len(shape) - 2) if is_turned else (len(shape) - 2, len(shape) - 1)
    units = shape[unit] if len(shape) == 3 else shape[unit] // heads
    head = strides[0] if len(shape) == 3 else units * strides[unit]
    return shape[element], units, head, strides[element], strides[unit]


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
