"""Ours and a peer in turn, in one process: medians, quartiles, agreement with float64."""

import gc
import statistics
import time
from datetime import date
from math import ceil

import torch

from carrousel.bench.clock import seconds
from carrousel.bench.first_call import FirstCall
from carrousel.bench.memory import Memory, memory
from carrousel.bench.peers import Peer
from carrousel.bench.row import Row
from carrousel.bench.workload import Prepared, Workload
from carrousel.engine.doctor.machine import this_machine

_LEAST_S = 0.005
"""Shorter calls are repeated up to this time, which the clock and the scheduler hardly disturb."""


def measure(workload: Workload, peer: Peer, rounds: int, first: FirstCall | None) -> Row:
    """One row: the workload's case beside a peer.

    Args:
        workload: the case with numbers.
        peer: beside whom.
        rounds: calls of each, in turn.
        first: seconds of our first call, where it was measured.
    """
    case, ours = workload.case, workload.ours
    theirs = peer.prepare(workload)
    peer_first_call_s = seconds(theirs.call)
    ours_error, peer_error = _error(workload, ours), _error(workload, theirs)
    ours_ms, peer_ms = in_turn(ours, theirs, rounds)
    our_memory, their_memory = _memory(ours), _memory(theirs)
    a, b = statistics.median(ours_ms), statistics.median(peer_ms)
    return Row(
        case=case.name, cell=case.cell, mode=case.mode, B=case.batch, D=case.size, H=case.size,
        T=1 if case.mode == "stream" else case.steps, peer=peer.name,
        ours_ms=a, peer_ms=b, ratio=b / a, bar=case.bars.get(peer.name),
        ours_quartiles_ms=quartiles(ours_ms), peer_quartiles_ms=quartiles(peer_ms),
        first_call_s=first and first.compiled_s, cached_call_s=first and first.cached_s,
        peer_first_call_s=peer_first_call_s,
        ours_tape_bytes=our_memory and our_memory.tape, peer_tape_bytes=their_memory and their_memory.tape,
        ours_peak_bytes=our_memory and our_memory.peak, peer_peak_bytes=their_memory and their_memory.peak,
        ours_error=ours_error, peer_error=peer_error,
        threads=torch.get_num_threads(), rounds=rounds, machine=this_machine().title, date=date.today().isoformat(),
    )  # fmt: skip


def quartiles(values: list[float]) -> tuple[float, float]:
    """Lower and upper quartile; of one value, the value."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def in_turn(ours: Prepared, theirs: Prepared, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each round."""
    repeats = [_repeats(contender) for contender in (ours, theirs)]
    times: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for contender, count, found in zip((ours, theirs), repeats, times, strict=True):
                start = time.perf_counter()
                for _ in range(count):
                    contender.call()
                found.append((time.perf_counter() - start) / count * contender.scale * 1e3)
    finally:
        gc.enable()
    return times


def _repeats(contender: Prepared) -> int:
    contender.call()
    return max(1, ceil(_LEAST_S / max(seconds(contender.call), 1e-6)))


def _error(workload: Workload, contender: Prepared) -> float | None:
    return None if contender.outcome is None else workload.error(contender.outcome())


def _memory(contender: Prepared) -> Memory | None:
    return memory(contender.run) if contender.run is not None else None
