"""Everything that changes while training, and how it is saved and taken up again."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from carrousel.train import randomness
from carrousel.train.averaging import Averaging
from carrousel.train.distributed import own_part, whole_state
from carrousel.train.protocols import Batches, Parts
from carrousel.train.update import Found

Batch = TypeVar("Batch")

NUM_NORMS = 20


@dataclass
class Training(Generic[Batch]):
    """Everything that changes while training. Randomness comes from torch's global generators.

    Attributes:
        averaging: of the weights; what is measured and kept are the means then.
        update: optimiser steps made.
        seen: symbols or sequences learned from, as `Loss.num_seen` counts them.
        carried: recurrent state after the last batch; with several processes, this one's rows of it.
        history: the monitored figure of every evaluation, lower is better.
        norms: gradient norms of the last updates.
        parts: the model, where each process keeps a part of its weights only.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    batches: Batches[Batch]
    averaging: Averaging | None = None
    update: int = 0
    seen: int = 0
    carried: Any = None
    history: list[float] = field(default_factory=list[float])
    norms: list[float] = field(default_factory=list[float])
    parts: Parts | None = None

    @contextmanager
    def averaged(self) -> Generator[None]:
        """Inside, the model has the weights that are measured and kept, whole: the means, where there are some.

        Several processes call this together.
        """
        with (
            self.averaging.in_place() if self.averaging else nullcontext(),
            self.parts.whole() if self.parts else nullcontext(),
        ):
            yield

    @contextmanager
    def kept(self) -> Generator[Mapping[str, Tensor]]:
        """What is saved as the model's weights, by name: those of `averaged`, read inside; several processes call this together."""
        with self.averaging.in_place() if self.averaging else nullcontext():
            state = self.model.state_dict()
            yield self.parts.gathered(state) if self.parts else state

    def note(self, found: Found, gradient_norm: float) -> None:
        """One more update was made."""
        self.update += 1
        self.seen += found.num_seen
        self.carried = found.carried
        self.norms = [*self.norms, gradient_norm][-NUM_NORMS:]
        if self.averaging:
            self.averaging.add()

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on bit for bit, as nested dicts and lists of tensors, numbers and strings.

        With several processes, all call this together, and each gets the same.
        """
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averaging": self.averaging.state_dict() if self.averaging else None,
            "batches": self.batches.state_dict(),
            "update": self.update,
            "seen": self.seen,
            "carried": whole_state(self.carried),
            "history": list(self.history),
            "norms": list(self.norms),
            "random": randomness.state(),
        }
        return dict(self.parts.gathered(state)) if self.parts else state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state_dict` was taken; what is loaded into must be built alike, for any number of processes."""
        state = self.parts.cut(state, self.optimiser) if self.parts else state
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.averaging:
            self.averaging.load_state_dict(state["averaging"])
        self.batches.load_state_dict(state["batches"])
        self.update, self.seen = state["update"], state["seen"]
        self.carried = own_part(state["carried"], next(self.model.parameters()).device)
        self.history, self.norms = list(state["history"]), list(state["norms"])
        randomness.restore(state["random"])
