"""Lowerings that a self-test must catch; its child process imports them by name."""

import ctypes
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from torch import Tensor

from carrousel.engine import Program
from carrousel.engine.doctor.lowerings import LLVM
from carrousel.engine.doctor.probes import Given
from carrousel.engine.lower.emitter import Emitter
from carrousel.engine.lower.vector_math import VECTOR


def _wrong(program: Program, given: Given) -> tuple[Tensor, Sequence[Tensor]]:
    """Every tanh of the machine code is too large by 0.1 %."""
    functions = cast("dict[str, Any]", VECTOR)
    exact = functions["tanh"]

    def too_large(e: Emitter, x: str) -> str:
        return e.binary("fmul", exact(e, x), e.number(1.001))

    functions["tanh"] = too_large
    try:
        return LLVM.run(program, given)
    finally:
        functions["tanh"] = exact


def _not_a_number(program: Program, given: Given) -> tuple[Tensor, Sequence[Tensor]]:
    y, last = LLVM.run(program, given)
    return y * float("nan"), last


def _raising(program: Program, given: Given) -> tuple[Tensor, Sequence[Tensor]]:
    raise RuntimeError(f"no room for {program.graph.name}\nat all")


def _crashing(program: Program, given: Given) -> tuple[Tensor, Sequence[Tensor]]:
    if given.x.dtype.itemsize == 8:
        ctypes.string_at(0)
    return LLVM.run(program, given)


WRONG = replace(LLVM, run=_wrong)
NOT_A_NUMBER = replace(LLVM, run=_not_a_number)
RAISING = replace(LLVM, run=_raising)
CRASHING = replace(LLVM, run=_crashing)
