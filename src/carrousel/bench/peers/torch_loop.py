"""The step as a loop of torch operations on the whole batch, and `torch.compile` of it."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from carrousel.bench.workload import Prepared, Workload, prepare
from carrousel.engine.lower.interpret import interpret


def looped(workload: Workload) -> Prepared:
    """One torch operation after the other, in a Python loop over time."""
    layer, graph, start = workload.layer, workload.layer.graph(), workload.start()

    def run(x: Tensor) -> Tensor:
        return interpret(graph, workload.params(), workload.with_noise(x), start)[0]

    return prepare(run, list(layer.parameters()), workload)


def compiled(workload: Workload) -> Prepared:
    """The same loop, unrolled over all time steps, through torch.compile."""
    graph, start = workload.layer.graph(), workload.start()
    names, values = list(workload.params()), list(workload.params().values())

    def loop(x: Tensor, *params: Tensor) -> Tensor:
        return interpret(graph, dict(zip(names, params, strict=True)), workload.with_noise(x), start)[0]

    with torch.no_grad():
        unrolled = make_fx(loop)(workload.x, *(value.detach() for value in values))
    fast = cast("Callable[..., Tensor]", torch.compile(unrolled))
    return prepare(lambda x: fast(x, *values), list(workload.layer.parameters()), workload)
