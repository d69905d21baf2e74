"""The whole benchmark: every chosen case beside every peer that can run it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carrousel.bench.cases import Case
from carrousel.bench.first_call import first_call
from carrousel.bench.measure import measure
from carrousel.bench.peers import Peer
from carrousel.bench.row import Row
from carrousel.bench.workload import Workload
from carrousel.errors import ConfigError


@dataclass(frozen=True)
class Failure:
    """A row that could not be measured; the others go on.

    Args:
        case: which.
        peer: beside whom.
        reason: the error.
    """

    case: Case
    peer: str
    reason: str

    def __str__(self) -> str:
        return f"{self.case} beside {self.peer} could not be measured: {self.reason}"


def bench(
    cases: Sequence[Case], peers: Sequence[Peer], rounds: int, *, has_first_calls: bool
) -> Iterator[Row | Failure]:
    """Each row as soon as it is measured.

    Args:
        cases: what to measure.
        peers: beside whom; each runs the cases it can.
        rounds: calls of each contender, in turn.
        has_first_calls: measure the first call of every case, too, in two new processes each.

    Raises:
        ConfigError: there is nothing to measure.
    """
    jobs = [(case, [peer for peer in peers if peer.serves(case)]) for case in cases]
    if not any(fitting for _, fitting in jobs):
        raise ConfigError(
            f"bench: none of {len(cases)} cases can be run by {', '.join(peer.name for peer in peers)}, expected at least one. "
            "Choose other cases, cells or peers."
        )
    for case, fitting in jobs:
        if fitting:
            yield from _beside(case, fitting, rounds, has_first_calls)


def _beside(case: Case, peers: Sequence[Peer], rounds: int, has_first_calls: bool) -> Iterator[Row | Failure]:
    try:
        workload = Workload(case)
        first = first_call(case) if has_first_calls else None
    except Exception as error:
        yield Failure(case, "every peer", _in_a_line(error))
        return
    for peer in peers:
        try:
            yield measure(workload, peer, rounds, first)
        except Exception as error:
            yield Failure(case, peer.name, _in_a_line(error))


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
