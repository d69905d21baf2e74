"""What happens while training, one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass

from carrousel.train.diagnostics import Diagnosis


@dataclass(frozen=True)
class Step:
    """One update was made."""

    update: int  # its number, from 1
    seen: int  # symbols or sequences learned from so far
    loss: float  # before the update, in the unit that the kind says
    learning_rate: float
    gradient_norm: float  # before clipping


@dataclass(frozen=True)
class Evaluation:
    """The model was measured after this many updates."""

    update: int
    values: Mapping[str, float]  # what `evaluate` gave


@dataclass(frozen=True)
class Checkpoint:
    """Now is the time to save `training.state_dict()`."""

    update: int


Event = Step | Evaluation | Checkpoint | Diagnosis
