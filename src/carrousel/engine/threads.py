"""Which thread runs what: several loops side by side, their rows dealt out, and where there are few rows, their units as well."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, lru_cache
from time import monotonic

from carrousel.engine.graph import Graph, axis_size
from carrousel.engine.lower.loop import Cuts
from carrousel.engine.passes.split_phases import Phase

SHARED_UNITS = "llvm_units"
"""What verdicts call loops whose units several threads share."""

WORTH_A_THREAD = 200_000
"""Multiplications below which handing work to another thread costs more than it saves."""

_FUNCTIONS = frozenset(("exp", "log", "softplus", "sin", "cos", "pow", "tanh", "sigmoid"))
_FUNCTION, _SIMPLE = 30, 3
"""Multiplications that take as long as one of these, and as any other elementwise operation."""

_BARRIER = 17_000
"""Multiplications that take as long as two threads take to meet: .15 to .7 microseconds on two cores of a virtual EPYC 9004, by
where they lie, which multiply 35 times in a nanosecond, loads of weights included."""

_LINE, _LINES = 2_000, 8
"""The same for a cache line that one thread wrote and another reads, and after how many lines the processor reads ahead."""

_LINE_ELEMENTS = 16

_GAIN = 0.9
"""What a barrier in the loop must at least save: part of the time without."""

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.1, 10.0
"""For how long units are not dealt out after the threads of a call kept each other waiting, at first and at most."""


@dataclass(frozen=True, eq=False)
class Load:
    """What a step of one sequence takes.

    Args:
        phases: multiplications of each phase.
        cuts: how its units can be dealt out; None where they cannot.
        width: elements of a vector register.
    """

    phases: tuple[int, ...]
    cuts: Cuts | None
    width: int

    @cached_property
    def work(self) -> int:
        """Multiplications of all phases."""
        return sum(self.phases)

    def shared_work(self, parts: int) -> float:
        """What the slowest of so many threads does, waiting included, in multiplications; infinite where units stay together."""
        if self.cuts is None:
            return float("inf")
        own = sum(
            work * (1.0 if cut is None else cut.share(parts, self.width))
            for work, cut in zip(self.phases, self.cuts.phases, strict=True)
        )
        lines = self.cuts.crossing * (parts - 1) / (parts * _LINE_ELEMENTS)
        waiting = _BARRIER * (parts - 1) * len(self.cuts.barriers) + _LINE * min(lines, _LINES)
        return own + waiting * bool(self.cuts.barriers)


Sequences = tuple[int, int]
"""How many sequences a loop runs over, and how many steps they have together."""


@dataclass(frozen=True)
class Deal:
    """Into how many shares the rows of each loop are cut, and how many threads share the units of each share."""

    shares: int
    parts: int


def worth_threads(work: int, threads: int) -> int:
    """How many of the threads so many multiplications are worth."""
    return max(1, min(threads, work // WORTH_A_THREAD))


def deal(loads: tuple[Load, ...], sequences: tuple[Sequences, ...], threads: int, *, can_meet: bool) -> Deal:
    """The fastest way to run loops that do not wait for each other, by what it should take.

    Rows are independent, so cutting them costs nothing; equal costs go to fewer shares, whose tiles are fuller and whose weights
    are read by one core alone. Units are dealt out where there are fewer rows than threads.

    Args:
        loads: of each loop.
        sequences: of each loop.
        threads: that may be used.
        can_meet: whether threads may be made to wait for each other.
    """
    fixed = _fixed.get()
    if fixed is None:
        return _fastest(loads, sequences, threads, can_meet=can_meet)
    return fixed if all(load.cuts is not None for load in loads) else Deal(fixed.shares, 1)


@contextmanager
def always(chosen: Deal | None) -> Generator[None]:
    """Deal work out in one way, whatever it costs: for tests; None leaves the choice to `deal`."""
    before = _fixed.set(chosen)
    try:
        yield
    finally:
        _fixed.reset(before)


_fixed: ContextVar[Deal | None] = ContextVar("_fixed", default=None)


@lru_cache(maxsize=1024)
def _fastest(loads: tuple[Load, ...], sequences: tuple[Sequences, ...], threads: int, *, can_meet: bool) -> Deal:
    """The deal that should take the least time."""
    whole = [load.work * total for load, (_, total) in zip(loads, sequences, strict=True)]
    threads = worth_threads(sum(whole), threads)
    batch = max(batch for batch, _ in sequences)
    costs = {
        Deal(shares, 1): _in_shares(whole, sequences, shares, threads) for shares in range(1, min(batch, threads) + 1)
    }
    best = min(costs, key=lambda found: costs[found])
    taken = len(loads) * batch
    if can_meet:
        for parts in range(2, threads // taken + 1):
            cost = max(
                load.shared_work(parts) * total / batch for load, (batch, total) in zip(loads, sequences, strict=True)
            )
            if cost < costs[best] * _GAIN:
                best = Deal(batch, parts)
                costs[best] = cost
    return best


def _in_shares(whole: Sequence[int], sequences: Sequence[Sequences], shares: int, threads: int) -> float:
    """The time until the last thread is done, in multiplications."""
    rounds = -(-len(whole) * shares // threads)
    longest = max(work / batch * -(-batch // shares) for work, (batch, _) in zip(whole, sequences, strict=True))
    return rounds * longest


class Patience:
    """Whether threads may be made to wait for each other: not for a while, after other work kept one of them off its core."""

    def __init__(self) -> None:
        self._until, self._pause_s = 0.0, _FIRST_PAUSE_S

    def is_there(self) -> bool:
        return monotonic() >= self._until

    def learn(self, *, had_to_wait: bool) -> None:
        """Take note of a call: the pause doubles with each that went wrong, and is short again after one that did not."""
        if had_to_wait:
            self._until = monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LAST_PAUSE_S) if had_to_wait else _FIRST_PAUSE_S


PATIENCE = Patience()
"""Of this process."""


def phase_work(graph: Graph, phase: Phase) -> int:
    """Multiplications of a phase of one sequence."""
    matrices = [matrix for node in phase.nodes if node.op == "products" for matrix in node.args[::2]]
    elementwise = sum((_FUNCTION if n.op in _FUNCTIONS else _SIMPLE) * _elements(graph, n.name) for n in phase.nodes)
    return sum(_elements(graph, matrix) for matrix in matrices) + elementwise


def _elements(graph: Graph, name: str) -> int:
    return axis_size("*".join(("1", *graph[name].shape)), graph.sizes)
