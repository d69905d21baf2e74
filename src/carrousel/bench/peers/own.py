"""What our own machine code should reach elsewhere: the LSTM's time scaled by the work, and the time to move the bytes."""

from math import prod

import torch

from carrousel.bench.cases import Case
from carrousel.bench.workload import Prepared, Workload
from carrousel.cells import find
from carrousel.engine import compile_cell
from carrousel.engine.explain import flops
from carrousel.engine.plan import Plan


def has_state_products(case: Case) -> bool:
    """Whether a matrix meets the state, or anything made from it, inside the loop."""
    return any(node.op == "products" for node in _plan(case.cell, case.size).loop.nodes)


def lstm_by_work(workload: Workload) -> Prepared:
    """Our LSTM at the same sizes, its time multiplied by this cell's floating-point operations over its own."""
    case = workload.case
    lstm = Workload(Case("LSTM", "lstm", case.mode, case.batch, case.size, case.steps)).ours
    scale = flops(_plan(case.cell, case.size)) / flops(_plan("lstm", case.size))
    return Prepared(lstm.call, None, scale)


def bytes_moved(workload: Workload) -> Prepared:
    """The products on the input, forward and backward, and one copy of half as many numbers as the loops read and write."""
    case = workload.case
    plan = _plan(case.cell, case.size)
    rows, width = case.batch * case.steps, sum(_elements(plan, name) for name in plan.linear.names)
    x, weight = torch.randn(rows, case.size), torch.randn(width, case.size)
    joined, d_weight, d_x = torch.empty(rows, width), torch.empty(width, case.size), torch.empty(rows, case.size)
    source = torch.zeros(rows, -(-_numbers_a_row(plan) // 2))
    target = torch.empty_like(source)

    def call() -> None:
        torch.mm(x, weight.t(), out=joined)
        torch.mm(joined.t(), x, out=d_weight)
        torch.mm(joined, weight, out=d_x)
        target.copy_(source)

    return Prepared(call, None)


def _numbers_a_row(plan: Plan) -> int:
    """Numbers that both loops read and write for one step of one sequence."""
    forward = [*(node.name for node in plan.loop.leaves("input")), plan.output, *plan.tape]
    backward = [*(node.name for node in plan.backward.leaves("saved")), plan.output, *plan.backward_streams]
    return sum(_elements(plan, name) for name in forward) + sum(
        prod(plan.backward.elements(name)) if name in plan.backward else _elements(plan, name) for name in backward
    )


def _elements(plan: Plan, name: str) -> int:
    return prod(plan.loop.elements(name))


def _plan(cell: str, size: int) -> Plan:
    found = find(cell)
    return compile_cell(found, found.sizes(size, size)).plan
