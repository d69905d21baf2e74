"""A mean of the weights over many updates: smoother than the weights themselves, and mostly better on held-out data."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from carrousel.train.stopping import has_stalled


class Averaging(ABC):
    """A running mean of a model's parameters; its buffers stay out of it.

    Attributes:
        count: updates in the mean; 0 until it begins.
    """

    def __init__(self, model: nn.Module) -> None:
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.means: list[Tensor] = []
        self.count = 0

    @abstractmethod
    def part(self) -> float:
        """Weight of the newest parameters in the mean that has `count` updates in it so far; 0 before it begins."""

    def note(self, history: Sequence[float]) -> None:  # noqa: B027 - most means do not look at the figures
        """Take notice of an evaluation; the history is that of all of them, lower is better."""

    @torch.no_grad()
    def add(self) -> None:
        """Take in the parameters as they are after an update."""
        part = self.part()
        if part == 0:
            return
        if self.count == 0:
            self.means = [parameter.detach().clone() for parameter in self.parameters]
        else:
            for mean, parameter in zip(self.means, self.parameters, strict=True):
                mean.lerp_(parameter, part)
        self.count += 1

    @contextmanager
    def in_place(self) -> Generator[None]:
        """The model has the mean inside, where there is one, and its own weights again afterwards."""
        if not self.count:
            yield
            return
        own = [parameter.detach().clone() for parameter in self.parameters]
        self._put(self.means)
        try:
            yield
        finally:
            self._put(own)

    def state_dict(self) -> dict[str, Any]:
        """The mean, and what it needs to go on."""
        return {"count": self.count, "means": self.means}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the mean that `state_dict` gave."""
        self.count = state["count"]
        self.means = [m.to(p.device, p.dtype) for m, p in zip(state["means"], self.parameters, strict=bool(self.count))]

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)


class MovingAverage(Averaging):
    """An exponential moving mean, which remembers a tenth of all updates until that is more than 1 / (1 - decay) of them.

    Args:
        decay: weight of the mean so far, such as .999.

    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 1992.
    Differs: exponential, with the short memory at the start that TensorFlow's ExponentialMovingAverage has.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self.decay = decay

    def part(self) -> float:
        """1 at first, then 9 / (10 + count), at least 1 - decay."""
        return max(1 - self.decay, 9 / (10 + self.count)) if self.count else 1.0


class StalledAverage(Averaging):
    """The plain mean of all weights since the held-out figure first got worse than it had been: NT-ASGD, with plain SGD.

    Args:
        leave_out: last evaluations that are left out of the best to be worse than.

    Source: Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models", ICLR 2018, arXiv:1708.02182,
    algorithm 1.
    """

    def __init__(self, model: nn.Module, leave_out: int = 5) -> None:
        super().__init__(model)
        self.leave_out, self.is_on = leave_out, False

    def part(self) -> float:
        """1 / (count + 1) once it is on."""
        return 1 / (self.count + 1) if self.is_on else 0.0

    def note(self, history: Sequence[float]) -> None:
        """Begin when the figures stall, for good."""
        self.is_on = self.is_on or has_stalled(history, self.leave_out)

    def state_dict(self) -> dict[str, Any]:
        """The mean, and whether it is on."""
        return {**super().state_dict(), "is_on": self.is_on}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the mean that `state_dict` gave."""
        super().load_state_dict(state)
        self.is_on = state["is_on"]
