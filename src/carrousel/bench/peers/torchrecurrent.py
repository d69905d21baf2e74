"""torchrecurrent: many cells as loops of torch operations.

Only its peephole LSTM is given our numbers and compared; the others keep their own, so that their time is shown and their
agreement is not.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch

from carrousel.bench.workload import Prepared, Workload, prepare

CLASSES: Mapping[str, str] = {
    "peephole_lstm": "PeepholeLSTM", "lstm_1997": "OriginalLSTM", "janet": "JANET", "mgu": "MGU", "mut1": "MUT1",
    "mut2": "MUT2", "mut3": "MUT3", "ugrnn": "UGRNN", "intersection_rnn": "IntersectionRNN", "scrn": "SCRN",
    "indrnn": "IndRNN", "t_rnn": "TRNN", "t_gru": "TGRU", "t_lstm": "TLSTM", "multiplicative_lstm": "MultiplicativeLSTM",
}  # fmt: skip
"""Our cell -> its class."""


def prepare_module(workload: Workload) -> Prepared:
    """Its module at the same sizes."""
    case = workload.case
    home: Any = import_module("torchrecurrent")
    torch.manual_seed(0)
    module: Any = getattr(home, CLASSES[case.cell])(case.size, case.size)
    is_ours = case.cell == "peephole_lstm"
    if is_ours:
        _fill(module.cells[0], workload.params())
    prepared = prepare(lambda x: module(x)[0], list(module.parameters()), workload)
    return prepared if is_ours else Prepared(prepared.call, None, run=prepared.run)


def _fill(cell: Any, params: Mapping[str, torch.Tensor]) -> None:
    gates = {
        "weight_ih": ("W", "ifgo"),
        "weight_hh": ("R", "ifgo"),
        "bias_ih": ("b", "ifgo"),
        "weight_ph": ("p", "ifo"),
    }
    with torch.no_grad():
        for name, (kind, letters) in gates.items():
            getattr(cell, name).copy_(torch.cat([params[f"{kind}_{gate}"] for gate in letters]))
        cell.bias_hh.zero_()
