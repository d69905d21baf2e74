"""What training is handed: batches, and the loss of one."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from carrousel.errors import CarrouselError

Batch_co = TypeVar("Batch_co", covariant=True)


class TrainingError(CarrouselError):
    """Training cannot go on."""


@runtime_checkable
class Batches(Protocol[Batch_co]):
    """An endless supply of batches with an explicit position, so that it can go on where it stopped."""

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def next(self) -> Batch_co:
        """The batch at the position, which then moves on."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The position (and, where batches are drawn at random, the state of the draw); the same in every shard."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the position that `state_dict` described."""
        ...

    def shard(self, rank: int, world: int) -> "Batches[Batch_co]":
        """One process's part of the same batches: rows rank, rank + world, ... of each; `next` is None where there are none."""
        ...


class Loss(NamedTuple):
    """What a loss function gives for one batch."""

    loss: Tensor  # mean over what num_seen counts, in nats or as `Prepared.loss_unit` says, with its gradient
    carried: Any = None  # recurrent state to hand to the next batch: None, a tensor, or a tuple of these
    num_seen: int = 0  # symbols or sequences in the batch, whatever the caller counts
    rate_factor: float = 1.0  # of the learning rate of this update, such as a window's length over the usual one


@runtime_checkable
class Parts(Protocol):
    """A model of which each process keeps a part of every weight; all of its methods are called on all processes together.

    They raise TrainingError when a process is gone.
    """

    def __call__(self, loss: Callable[[Any, Any, Any], Loss], batch: Any, carried: Any) -> Loss:
        """The loss of this process's part of a batch, by whole weights; none where the batch is None.

        The gradient comes in parts, each the mean over all processes.
        """
        ...

    def whole(self) -> AbstractContextManager[None]:
        """Inside, the model's weights are whole on every process, to be read."""
        ...

    def gathered(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """A nest of dicts and lists with whole tensors in place of parts."""
        ...

    def cut(self, state: Mapping[str, Any], optimiser: torch.optim.Optimizer) -> Mapping[str, Any]:
        """What `Training.state_dict` gave, whole, with parts where model and optimiser have them."""
        ...


@runtime_checkable
class InputColumn(Protocol):
    """Values of one input column of a batch, and what they are like in the training data: `kind.Column`."""

    @property
    def name(self) -> str: ...

    @property
    def values(self) -> Sequence[float]: ...

    @property
    def mean(self) -> float: ...

    @property
    def std(self) -> float: ...
