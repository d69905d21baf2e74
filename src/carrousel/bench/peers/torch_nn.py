"""`torch.nn.LSTM`, `GRU` and `RNN`; for one step a call `LSTMCell`, `GRUCell` and `RNNCell`."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from carrousel.bench.cases import TORCH_CELLS
from carrousel.bench.workload import Outcome, Prepared, Workload, joined, prepare


def padded(workload: Workload) -> Prepared:
    """The module on input of one length; what it puts out past the end of a sequence is left in."""
    if workload.case.mode == "stream":
        return _one_step(workload)
    module = workload.torch_module()

    def run(x: Tensor) -> Tensor:
        return module(x)[0]

    prepared = prepare(run, list(module.parameters()), workload)
    if workload.lengths is None:
        return prepared
    alive = (torch.arange(workload.case.steps)[:, None] < workload.lengths)[:, :, None]
    masked = prepare(lambda x: run(x) * alive, list(module.parameters()), workload)
    return Prepared(prepared.call, masked.outcome, run=prepared.run)


def packed(workload: Workload) -> Prepared:
    """The module on packed input; the derivative of the loss enters packed, too."""
    module, lengths = workload.torch_module(), workload.lengths
    assert lengths is not None

    def pack(x: Tensor) -> PackedSequence:
        return pack_padded_sequence(x, lengths, enforce_sorted=False)

    def run(x: Tensor) -> Tensor:
        return pad_packed_sequence(module(pack(x))[0], total_length=workload.case.steps)[0]

    x, d_y = workload.x.clone().requires_grad_(), pack(workload.d_y).data
    leaves = [x, *module.parameters()]

    def train() -> None:
        for leaf in leaves:
            leaf.grad = None
        module(pack(x))[0].data.backward(d_y)

    return Prepared(train, prepare(run, leaves, workload).outcome, run=lambda: module(pack(x))[0].data)


def _one_step(workload: Workload) -> Prepared:
    case = workload.case
    cell: Any = getattr(nn, f"{TORCH_CELLS[case.cell]}Cell")(case.size, case.size)
    with torch.no_grad():
        for name, value in joined(case.cell, workload.params()).items():
            getattr(cell, name).copy_(value)
    inputs = list(workload.x)
    zeros = [torch.zeros(case.batch, case.size) for _ in range(len(workload.start()))]
    current: list[Any] = [tuple(zeros) if len(zeros) > 1 else zeros[0]]

    def call() -> None:
        state = current[0]
        with torch.no_grad():
            for x_t in inputs:
                state = cell(x_t, state)
        current[0] = state

    def outcome() -> Outcome:
        state: Any = tuple(zeros) if len(zeros) > 1 else zeros[0]
        outputs: list[Tensor] = []
        with torch.no_grad():
            for x_t in inputs:
                state = cell(x_t, state)
                outputs.append(state[0] if len(zeros) > 1 else state)
        return {"y": torch.stack(outputs)}

    return Prepared(call, outcome, 1 / len(inputs))
