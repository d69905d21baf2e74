"""What a lowered loop is, and what it is handed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from carrousel.engine.graph import Shape
from carrousel.engine.passes.split_phases import Phase

Kind = Literal["stream", "carry", "vector", "packed", "scratch"]


@dataclass(frozen=True)
class Buffer:
    """Memory that a loop is handed.

    Args:
        kind: "stream", a row for every valid step of every sequence; "carry", two halves of a row for every sequence, read and
            written in turn; "vector", one row for all (a parameter); "packed", matrices laid out by `packing`; "scratch", a row
            for every sequence, worthless after the step.
        name: of the value.
        axes: elements of a row, as axes to multiply; for "packed" the axis whose parts have rows of units of their own, if any.
        packing: the matrices of one vector, in the order of their accumulators: (parameter, is turned over).
    """

    kind: Kind
    name: str
    axes: Shape = ()
    packing: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class Loop:
    """A lowered loop.

    Args:
        symbol: name of the function.
        text: LLVM module.
        buffers: in the order in which the function expects them.
        axes: letters whose sizes the function expects, in order.
        phases: as scheduled.
    """

    symbol: str
    text: str
    buffers: tuple[Buffer, ...]
    axes: tuple[str, ...]
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class Traffic:
    """What a loop reads and writes beyond its own values.

    Args:
        streams: leaves read from streams.
        carries: leaf -> state field whose carry it reads.
        stream_writes: values written to streams.
        carry_writes: state field -> value that becomes its next row.
        copies: leaf in a carry -> written to a stream of that name before the step.
        is_backward: time runs from T-1 to 0.
    """

    streams: tuple[str, ...]
    carries: Mapping[str, str]
    stream_writes: tuple[str, ...]
    carry_writes: Mapping[str, str]
    copies: tuple[str, ...] = ()
    is_backward: bool = False
