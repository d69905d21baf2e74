"""The child process of a self-test: runs a lowering and the definition on the same numbers, and prints what came of it.

One JSON object a line: each check before it starts, so that a crash can be told from where, and then its result.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from math import inf

import torch
from torch import Tensor

from carrousel.engine.doctor.lowerings import Lowering, find_lowering
from carrousel.engine.doctor.probes import Given, given, program
from carrousel.engine.doctor.self_test import SHAPES, TOLERANCE, Check, Result
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.threads import always


def checks(lowering: Lowering, probes: Iterable[str]) -> Iterator[Check | Result]:
    """Each check, and then its result."""
    for name in probes:
        for dtype in TOLERANCE:
            for threads in lowering.threads:
                check = Check(name, dtype, threads)
                yield check
                yield _result(lowering, check)


def _result(lowering: Lowering, check: Check) -> Result:
    try:
        with always(lowering.deal):
            error, what = _largest_error(lowering, check)
    except Exception as caught:
        return Result(check, None, f"raised {type(caught).__name__}: {' '.join(str(caught).split())[:200]}")
    if error == inf:
        return Result(check, None, f"{what} is not finite")
    is_close = error <= TOLERANCE[check.dtype]
    allowed = f"{TOLERANCE[check.dtype]:g} is allowed"
    return Result(check, error, "" if is_close else f"{what} is wrong by a part of {error:.2g}, {allowed}")


def _largest_error(lowering: Lowering, check: Check) -> tuple[float, str]:
    steps, batch, is_ragged = SHAPES[check.threads]
    torch.set_num_threads(check.threads)
    exact = given(check.probe, steps, batch, is_ragged=is_ragged and not lowering.is_stream)
    rounded = exact.to(getattr(torch, check.dtype))
    graph = program(check.probe).graph
    y, last, _ = interpret(graph, exact.params, exact.x, exact.state, exact.lengths, exact.reset)
    with torch.no_grad():
        plain = _named(*lowering.run(program(check.probe), rounded))
    errors = [(_error(plain[name], value), f"{name} without gradient") for name, value in _named(y, last).items()]
    if not lowering.is_stream:
        expected = _with_derivatives(exact, y, last)
        found = _with_derivatives(rounded, *lowering.run(program(check.probe), rounded))
        errors += [(_error(found[name], value), name) for name, value in expected.items()]
    return max(errors)


def _named(y: Tensor, last: Sequence[Tensor]) -> dict[str, Tensor]:
    return {"y": y, **{f"last state {k}": field for k, field in enumerate(last)}}


def _with_derivatives(numbers: Given, y: Tensor, last: Sequence[Tensor]) -> dict[str, Tensor]:
    """Outputs, last state, and the derivatives of a loss in which each of their elements counts."""
    outputs = _named(y, last)
    generator = torch.Generator().manual_seed(5)
    loss = torch.stack(
        [(value * torch.randn(value.shape, generator=generator).to(value.dtype)).sum() for value in outputs.values()]
    ).sum()
    leaves = numbers.leaves
    terms = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return outputs | {f"derivative of {name}": term for name, term in zip(leaves, terms, strict=True)}


def _error(found: Tensor, expected: Tensor) -> float:
    scale = float(expected.detach().abs().max())
    error = float((found.double() - expected).detach().abs().max()) / (scale or 1.0)
    return error if error == error else inf


def _main(place: str, *probes: str) -> None:
    for event in checks(find_lowering(place), probes):
        line = asdict(event) if isinstance(event, Result) else {"check": asdict(event)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
