"""How long to train and how, as the loop takes it; what it comes from are settings (`train_settings.py`, `from_settings.py`)."""

import math
from dataclasses import dataclass

from carrousel.train.schedule import Factor, Rate, unchanged


@dataclass(frozen=True)
class Plan:
    """How long to train and how.

    Attributes:
        updates: optimiser steps in all.
        learning_rate: update number, from 0 -> learning rate; a pure function, so there is nothing of it to save.
        rate_factor: history of held-out figures -> what the learning rate is multiplied by; as pure.
        clip_norm: gradients of a larger Euclidean norm, all parameters together, are scaled down to it; inf never does.
        clip_value: after that, largest absolute value of an element of the gradient.
        accumulate: batches whose gradients make one update together.
        precision: "float32", or "bf16" for torch's mixed precision.
        zero_state: probability with which an update begins from a zero state, not from the one carried over.
        seed: of these draws.
        evaluate_every: updates from one evaluation to the next; the last update is always followed by one.
        checkpoint_every: updates from one checkpoint to the next; the last update is always followed by one.
        diagnose_every: updates from one diagnosis to the next; None for none.
        monitor: name of the figure that makes the history; empty for no history.
        is_higher_better: whether more of it is better.
        patience: evaluations without a better figure before training ends; None for never.
    """

    updates: int
    learning_rate: Rate
    rate_factor: Factor = unchanged
    clip_norm: float = math.inf
    clip_value: float = math.inf
    accumulate: int = 1
    precision: str = "float32"
    zero_state: float = 0.0
    seed: int = 0
    evaluate_every: int = 1_000
    checkpoint_every: int = 1_000
    diagnose_every: int | None = None
    monitor: str = ""
    is_higher_better: bool = False
    patience: int | None = None
