"""The gradient of one update: of one batch or of several, in one process or in many, in float32 or in mixed precision."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from carrousel.train import randomness
from carrousel.train.distributed import Together, draw_alike, total, watched, world
from carrousel.train.protocols import Loss, Parts


@dataclass(frozen=True)
class Attempt:
    """What an update is computed from, kept so that it can be computed again.

    Attributes:
        update: its number, from 0.
        batches: whose gradients make it together.
        carried: recurrent state before the first of them.
        random: states of the random generators before.
    """

    update: int
    batches: Sequence[Any]
    carried: Any
    random: Any


class Found(NamedTuple):
    """What the batches of an update gave together, those of all processes.

    `loss` is in the unit that the kind says; the gradient of that mean lies in the parameters.
    """

    loss: float
    carried: Any
    num_seen: int
    rate_factor: float


class Gradient:
    """Loss and gradient of a model, update by update.

    Args:
        model: whose parameters get the gradient.
        loss: (model, batch, carried) -> Loss.
        precision: "float32", or "bf16" for torch's autocast.
        parts: the model, where each process keeps a part of its weights only.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any, Any], Loss],
        precision: str = "float32",
        parts: Parts | None = None,
    ) -> None:
        self.model, self.loss, self.precision = model, loss, precision
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._parts = parts
        self._together = Together(model, loss) if world() > 1 and not parts else None

    def __call__(self, attempt: Attempt) -> Found:
        """Compute the gradient of the mean over everything that the batches of all processes count.

        A batch weighs as much as it counts, so that n batches give what one batch of n times the size gives.
        """
        is_alone = len(attempt.batches) == 1 and world() == 1
        carried, sums = attempt.carried, [0.0, 0.0, 0.0, 0.0]
        for k, batch in enumerate(attempt.batches):
            draw_alike()  # a process that had no part of the batch before drew nothing
            with self._synchronised(k == len(attempt.batches) - 1):
                with self.autocast():
                    found = self._loss(batch, carried)
                weight = 1 if is_alone else 0 if batch is None else max(1, found.num_seen)
                with watched():
                    (found.loss * weight).backward()
            carried = detach(found.carried)
            given = (weight, found.loss.item() * weight, found.rate_factor * weight, found.num_seen)
            sums = [before + new for before, new in zip(sums, given, strict=True)]
        weight, loss, rate_factor, num_seen = total(sums)
        if not is_alone:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(world() / weight)  # DistributedDataParallel took the mean
        return Found(loss / weight, carried, int(num_seen), rate_factor / weight)

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision where it is wanted."""
        device = self.parameters[0].device.type
        return torch.autocast(device, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def _loss(self, batch: Any, carried: Any) -> Loss:
        with watched():
            if self._parts:
                return self._parts(self.loss, batch, carried)
            return self._together(batch, carried) if self._together else self.loss(self.model, batch, carried)

    def _synchronised(self, is_last: bool) -> AbstractContextManager[Any]:
        return self._together.synchronised(is_last) if self._together else nullcontext()


def clip(parameters: Sequence[nn.Parameter], norm: float, value: float) -> float:
    """Scale the gradient down to a Euclidean norm, then cut its elements off at an absolute value; the norm before.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, arXiv:1211.5063.
    """
    before = nn.utils.clip_grad_norm_(parameters, norm)
    if value < math.inf:
        nn.utils.clip_grad_value_(parameters, value)
    whole = getattr(before, "full_tensor", None)  # of parts, torch gives the norm before it is put together
    return whole().item() if whole else before.item()


def draws_zero_state(probability: float, seed: int, update: int) -> bool:
    """Whether this update begins from a zero state; the same on every process.

    Source: Melis, Dyer and Blunsom, "On the State of the Art of Evaluation in Neural Language Models", ICLR 2018,
    arXiv:1707.05589, whose code does it with probability .01.
    """
    return randomness.seed_from(seed, update) < probability * 2.0**63


def detach(carried: Any) -> Any:
    """The same state, cut off from the past: gradients stop at the window's start."""
    if isinstance(carried, tuple):
        return tuple(detach(part) for part in cast(tuple[Any, ...], carried))
    return carried.detach() if isinstance(carried, Tensor) else carried


def modules_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Every module of a model, itself included, with the name that the model gives it."""
    return cast(list[tuple[str, nn.Module]], list(cast(Any, model).named_modules()))
