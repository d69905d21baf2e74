"""What a finished run found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carrousel.train.kind import Figures


@dataclass(frozen=True)
class Summary:
    """What summary.json holds.

    Attributes:
        kind: of model.
        name, source, size, unit: of the data, as `Prepared` says them.
        figures: on held-out data, with the weights in model.safetensors, which are those of the evaluation that was best.
        monitor: the figure that says which was best.
        is_higher_better: whether more of it is better.
        best_update: after how many updates that was.
        baselines: name -> {"figures": the same figures without a network, "about": what it is}.
        seen: units learned from, repetitions counted.
        seconds: from the start of training to the end of the last update, evaluations included.
        parameters: trained numbers in the network.
        updates: optimiser steps made.
        notes: what else the kind has to say.
        loss_unit: what the training loss is in, as `Prepared.loss_unit`.
        loader_share: part of the training time that went into making batches, in the process that ended the run.
    """

    kind: str
    name: str
    source: str
    size: str
    unit: str
    figures: Figures
    monitor: str
    is_higher_better: bool
    best_update: int
    baselines: Mapping[str, Mapping[str, Any]]
    seen: int
    seconds: float
    parameters: int
    updates: int
    notes: Mapping[str, Any]
    loss_unit: str = "nats"
    loader_share: float = 0.0
