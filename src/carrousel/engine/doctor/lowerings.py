"""The lowerings that run in the definition's place, each with what it claims."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

import torch
from torch import Tensor

from carrousel.engine import Program
from carrousel.engine.doctor.probes import Given
from carrousel.engine.lower.captured import LOWERING, RECORDERS, flat
from carrousel.engine.lower.moves import MOVES
from carrousel.engine.lower.recording import Recording, replay
from carrousel.engine.lower.team import has_team
from carrousel.engine.lower.vector_math import VECTOR
from carrousel.engine.ops import OPS
from carrousel.engine.run import Recurrence, run
from carrousel.engine.stream import CompiledSteps
from carrousel.engine.threads import SHARED_UNITS, Deal


@dataclass(frozen=True)
class Lowering:
    """A way to run a program.

    Args:
        name: as in verdicts and on the command line.
        serves: where it is used.
        claims: the operations that it says it can run.
        run: (program, numbers) -> outputs and the last state.
        threads: numbers of threads to test it on.
        is_stream: takes a step at a time: no derivatives, no lengths, no resets.
        deal: how its loops' work is dealt out to threads; None for the way that should be fastest.
    """

    name: str
    serves: str
    claims: frozenset[str]
    run: Callable[[Program, Given], tuple[Tensor, Sequence[Tensor]]]
    threads: tuple[int, ...] = (1, 2)
    is_stream: bool = False
    deal: Deal | None = None


_GPU = "cuda"


def _llvm(program: Program, given: Given) -> tuple[Tensor, Sequence[Tensor]]:
    compiled = program.compiled(given.x.dtype)
    return run([Recurrence(compiled, given.params, given.x, given.state, given.lengths, given.reset)])[0]


def _stream(program: Program, given: Given) -> tuple[Tensor, Sequence[Tensor]]:
    steps, batch, _ = given.x.shape
    stream = CompiledSteps([program], [given.params], batch, given.x.dtype)
    for field, start in zip(stream.state()[0], given.state, strict=True):
        field.copy_(start)
    y = given.x.new_empty(steps, batch, *program.graph.elements(dict(program.graph.outputs)["output"]))
    for x_t, y_t in zip(given.x, y, strict=True):
        stream.run(x_t.contiguous(), y_t, 1)
    return y, stream.state()[0]


def _cuda_graph(program: Program, given: Given) -> tuple[Tensor, Sequence[Tensor]]:
    inputs = [value.to(_GPU) for value in (*given.params.values(), given.x, *given.state)]
    wanted = [torch.is_grad_enabled() and value.requires_grad for value in inputs]
    recording = Recording(flat(program.hoisted, list(given.params)), inputs, wanted, RECORDERS[_GPU])
    y, *last = (value.cpu() for value in replay(recording, inputs))
    return y, last


_OPERATIONS = frozenset({*VECTOR, *MOVES, "products", "constant"})
LLVM = Lowering("llvm", "float32 and float64 on the CPU, forward and backward", _OPERATIONS, _llvm)
SHARED = Lowering(
    SHARED_UNITS, "few sequences, whose units several threads share", _OPERATIONS, _llvm, threads=(2,), deal=Deal(1, 2)
)
STREAM = Lowering(
    "stream", "layer.stream(), in the same formats", _OPERATIONS - {"pad"}, _stream, threads=(1,), is_stream=True
)  # zeros are put in only by derivatives

CUDA_GRAPH = Lowering(
    LOWERING, "cells on CUDA whose calls come again in one shape", frozenset(OPS), _cuda_graph, threads=(1,)
)

LOWERINGS = (f"{__name__}:LLVM", f"{__name__}:SHARED", f"{__name__}:STREAM")
"""Where each of those for the CPU stands, as "module:name": a child process imports it from there."""


def lowerings_here() -> tuple[str, ...]:
    """Where each stands that this machine has a device for, and threads that can wait for each other."""
    found = LOWERINGS if has_team() else tuple(place for place in LOWERINGS if find_lowering(place).deal is None)
    return (*found, f"{__name__}:CUDA_GRAPH") if torch.cuda.is_available() else found


def find_lowering(place: str) -> Lowering:
    """The lowering at "module:name"."""
    module, _, name = place.partition(":")
    return cast(Lowering, getattr(import_module(module), name))
