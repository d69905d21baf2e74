"""The lowerings that run in the definition's place, each with what it claims."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from torch import Tensor

from carrousel.engine import Program
from carrousel.engine.doctor.probes import Given
from carrousel.engine.lower.moves import MOVES
from carrousel.engine.lower.vector_math import VECTOR
from carrousel.engine.run import Recurrence, run
from carrousel.engine.stream import CompiledSteps


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
    """

    name: str
    serves: str
    claims: frozenset[str]
    run: Callable[[Program, Given], tuple[Tensor, Sequence[Tensor]]]
    threads: tuple[int, ...] = (1, 2)
    is_stream: bool = False


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


_OPERATIONS = frozenset({*VECTOR, *MOVES, "products", "constant"})
LLVM = Lowering("llvm", "float32 and float64 on the CPU, forward and backward", _OPERATIONS, _llvm)
STREAM = Lowering(
    "stream", "layer.stream(), in the same formats", _OPERATIONS - {"pad"}, _stream, threads=(1,), is_stream=True
)  # zeros are put in only by derivatives

LOWERINGS = (f"{__name__}:LLVM", f"{__name__}:STREAM")
"""Where each of them stands, as "module:name": a child process imports it from there."""


def find_lowering(place: str) -> Lowering:
    """The lowering at "module:name"."""
    module, _, name = place.partition(":")
    return cast(Lowering, getattr(import_module(module), name))
