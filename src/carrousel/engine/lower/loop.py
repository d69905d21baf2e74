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
class Cut:
    """How the elements of a row are dealt out: neighbouring ones stay together.

    Args:
        axes: of the units that are counted.
        count: of these units, or of elements where they are vectors.
        total: elements of the row.
        in_vectors: whether a unit is a vector of elements.
    """

    axes: Shape
    count: int
    total: int
    in_vectors: bool

    def deals_as(self, other: "Cut | None") -> bool:
        """Whether each part gets the same elements by both."""
        if other is None:
            return False
        return (self.count, self.total, self.in_vectors) == (other.count, other.total, other.in_vectors)

    def share(self, parts: int, width: int) -> float:
        """The part of the elements that the slowest thread makes."""
        units = -(-self.count // width) if self.in_vectors else self.count
        return -(-units // parts) / units


@dataclass(frozen=True)
class Cuts:
    """A step dealt out.

    Args:
        phases: for each phase; None where every part does all of it.
        carries: state field -> how its rows are dealt out, as by what writes them.
        barriers: numbers of the phases before which the parts wait for each other, in order.
        crossing: elements of a row that a part reads though others made some of them.
    """

    phases: tuple[Cut | None, ...]
    carries: dict[str, Cut]
    barriers: tuple[int, ...]
    crossing: int


@dataclass(frozen=True)
class Loop:
    """A lowered loop.

    Args:
        symbol: name of the function.
        text: LLVM module.
        buffers: in the order in which the function expects them.
        axes: letters whose sizes the function expects, in order.
        phases: as scheduled.
        cuts: how several threads share the units; None where one makes all units of its rows.
    """

    symbol: str
    text: str
    buffers: tuple[Buffer, ...]
    axes: tuple[str, ...]
    phases: tuple[Phase, ...]
    cuts: Cuts | None = None


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
