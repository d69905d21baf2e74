"""Training, in the order things happen: a generator of events, which the command line, plots and tests consume.

    for event in train(training, loss, evaluate, plan):
        match event:
            case Step(): ...
            case Evaluation(): ...
            case Checkpoint(): save(path, training.state_dict())

It knows nothing of text, files or terminals, and whatever it hands out, it waits: between two events nothing is half done.
Copy it and own it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import torch
from torch import Tensor, nn

from carrousel.errors import CarrouselError

Batch = TypeVar("Batch")
Batch_co = TypeVar("Batch_co", covariant=True)


class TrainingError(CarrouselError):
    """Training cannot go on: the loss or its gradient is not finite."""


@runtime_checkable
class Batches(Protocol[Batch_co]):
    """An endless supply of batches with an explicit position, so that it can go on where it stopped."""

    def next(self) -> Batch_co:
        """The batch at the position, which then moves on."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The position (and, where batches are drawn at random, the state of the draw)."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the position that `state_dict` described."""
        ...


class Loss(NamedTuple):
    """What a loss function gives for one batch."""

    loss: Tensor  # mean, in nats, with its gradient
    carried: Any = None  # recurrent state to hand to the next batch: None, a tensor, or a tuple of these
    num_seen: int = 0  # symbols or sequences in the batch, whatever the caller counts


@dataclass(frozen=True)
class Plan:
    """How long to train and how.

    Attributes:
        updates: optimiser steps in all.
        learning_rate: update number, from 0 -> learning rate; a pure function, so there is nothing of it to save.
        clip_norm: gradients of a larger Euclidean norm, all parameters together, are scaled down to it; inf never does.
        evaluate_every: updates from one evaluation to the next; the last update is always followed by one.
        checkpoint_every: updates from one checkpoint to the next; the last update is always followed by one.
    """

    updates: int
    learning_rate: Callable[[int], float]
    clip_norm: float = math.inf
    evaluate_every: int = 1_000
    checkpoint_every: int = 1_000


@dataclass
class Training(Generic[Batch]):
    """Everything that changes while training. Randomness comes from torch's global generator.

    Attributes:
        update: optimiser steps made.
        seen: symbols or sequences learned from, as `Loss.num_seen` counts them.
        carried: recurrent state after the last batch.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    batches: Batches[Batch]
    update: int = 0
    seen: int = 0
    carried: Any = None

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on bit for bit, as nested dicts and lists of tensors, numbers and strings."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "batches": self.batches.state_dict(),
            "update": self.update,
            "seen": self.seen,
            "carried": self.carried,
            "random": torch.get_rng_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state_dict` was taken; what is loaded into must be built alike."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.batches.load_state_dict(state["batches"])
        self.update, self.seen, self.carried = state["update"], state["seen"], state["carried"]
        torch.set_rng_state(state["random"])


@dataclass(frozen=True)
class Step:
    """One update was made."""

    update: int  # its number, from 1
    seen: int  # symbols or sequences learned from so far
    loss: float  # nats, before the update
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


Event = Step | Evaluation | Checkpoint


def train(
    training: Training[Batch],
    loss: Callable[[Any, Batch, Any], Loss],
    evaluate: Callable[[Any], Mapping[str, float]],
    plan: Plan,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """The events of training from where `training` stands to the end of the plan.

    Args:
        training: changed in place.
        loss: (model, batch, carried) -> Loss; carried is None at first, later without its gradient.
        evaluate: model -> figures by name. Runs in evaluation mode, without gradients, and leaves the random state alone.
        plan: how long and how.
        should_stop: asked after every update; when true, a checkpoint is due and training ends.

    Raises:
        TrainingError: the loss or its gradient is not finite; the parameters are still those before that update.
    """
    model, optimiser = training.model.train(), training.optimiser
    parameters = list(model.parameters())
    is_stopped = False
    while training.update < plan.updates and not is_stopped:
        batch = training.batches.next()
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate(training.update)
        found = loss(model, batch, training.carried)
        optimiser.zero_grad(set_to_none=True)
        found.loss.backward()
        gradient_norm = nn.utils.clip_grad_norm_(parameters, plan.clip_norm)
        _check_finite(training, plan, found.loss.item(), gradient_norm.item())
        optimiser.step()
        training.carried = _detach(found.carried)
        training.seen += found.num_seen
        training.update += 1
        update, rate = training.update, plan.learning_rate(training.update - 1)
        yield Step(update, training.seen, found.loss.item(), rate, gradient_norm.item())
        if update % plan.evaluate_every == 0 or update == plan.updates:
            yield Evaluation(update, _measure(model, evaluate))
        is_stopped = should_stop()
        if update % plan.checkpoint_every == 0 or update == plan.updates or is_stopped:
            yield Checkpoint(update)


def _measure(model: nn.Module, evaluate: Callable[[Any], Mapping[str, float]]) -> Mapping[str, float]:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        values = evaluate(model.eval())
    model.train()
    return values


def _check_finite(training: Training[Any], plan: Plan, loss: float, gradient_norm: float) -> None:
    if math.isfinite(loss) and math.isfinite(gradient_norm):
        return
    what = f"its gradient's norm is {gradient_norm:g}" if math.isfinite(loss) else "which is not a number to learn from"
    raise TrainingError(
        f"train: the loss of update {training.update + 1} is {loss:g} nats, {what}, expected finite numbers. Lower the "
        f"learning rate ({plan.learning_rate(training.update):g} here) or the clip norm ({plan.clip_norm:g})."
    )


def _detach(carried: Any) -> Any:
    """The same state, cut off from the past: gradients stop at the window's start."""
    if isinstance(carried, tuple):
        return tuple(_detach(part) for part in cast(tuple[Any, ...], carried))
    return carried.detach() if isinstance(carried, Tensor) else carried
