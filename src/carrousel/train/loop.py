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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from carrousel.train import randomness
from carrousel.train.averaging import Averaging
from carrousel.train.diagnostics import Diagnosis, Sizes, diagnose
from carrousel.train.distributed import broadcast, is_main, own_part, total, whole_state
from carrousel.train.not_finite import Examiner
from carrousel.train.protocols import Batches, InputColumn, Loss, Parts, TrainingError
from carrousel.train.schedule import Factor, Rate, unchanged
from carrousel.train.stopping import is_over, score
from carrousel.train.update import Attempt, Found, Gradient, clip, draws_zero_state

__all__ = [
    "Batches", "Checkpoint", "Diagnosis", "Evaluation", "Event", "Loss", "Plan", "Step", "Training", "TrainingError", "train",
]  # fmt: skip

Batch = TypeVar("Batch")

NUM_NORMS = 20


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


def train(
    training: Training[Batch],
    loss: Callable[[Any, Batch, Any], Loss],
    evaluate: Callable[[Any], Mapping[str, float]],
    plan: Plan,
    should_stop: Callable[[], bool] = lambda: False,
    ids: Callable[[Batch], Sequence[str]] = lambda batch: (),
    columns: Callable[[Batch], Sequence[InputColumn]] = lambda batch: (),
) -> Iterator[Event]:
    """The events of training from where `training` stands to the end of the plan.

    Args:
        training: changed in place.
        loss: (model, batch, carried) -> Loss; carried is None at first, later without its gradient.
        evaluate: model -> figures by name. Runs in evaluation mode, without gradients, and leaves the random state alone; with
            several processes, on the main one.
        plan: how long and how.
        should_stop: asked after every update; when true, in any process, a checkpoint is due and training ends.
        ids: batch -> what names its sequences, for the report on a loss that is not finite.
        columns: batch -> its numeric input columns (`kind.Column`), for the same report.

    Raises:
        NotFiniteError: the loss or its gradient is not finite; the parameters are still those before that update.
        TrainingError: another process is gone.
    """
    model, optimiser = training.model.train(), training.optimiser
    gradient = Gradient(model, loss, plan.precision, training.parts)
    examiner = Examiner(model, loss, ids, columns, plan.clip_norm, training.parts)
    is_stopped = is_over(training.history, plan.patience)
    while training.update < plan.updates and not is_stopped:
        attempt = _attempt(training, plan)
        rate = plan.learning_rate(training.update) * plan.rate_factor(training.history)
        optimiser.zero_grad(set_to_none=True)
        with examiner.watching(attempt, training.norms, rate) as check:
            found = gradient(attempt)
            gradient_norm = clip(gradient.parameters, plan.clip_norm, plan.clip_value)
            check(found.loss, gradient_norm)
        for group in optimiser.param_groups:
            group["lr"] = rate * found.rate_factor
        sizes = Sizes(model) if _is_due(plan.diagnose_every, training.update + 1) else None
        optimiser.step()
        training.note(found, gradient_norm)
        update = training.update
        yield Step(update, training.seen, found.loss, rate * found.rate_factor, gradient_norm)
        if sizes:
            yield diagnose(sizes, loss, attempt)
        if _is_due(plan.evaluate_every, update) or update == plan.updates:
            yield Evaluation(update, _measure(training, evaluate, plan))
        is_stopped = is_over(training.history, plan.patience) or any(total([should_stop()]))
        if _is_due(plan.checkpoint_every, update) or update == plan.updates or is_stopped:
            yield Checkpoint(update)


def _attempt(training: Training[Any], plan: Plan) -> Attempt:
    """The next batches, and where everything stands before them."""
    batches = [training.batches.next() for _ in range(plan.accumulate)]
    is_zeroed = draws_zero_state(plan.zero_state, plan.seed, training.update)
    return Attempt(training.update, batches, None if is_zeroed else training.carried, randomness.state())


def _is_due(every: int | None, update: int) -> bool:
    return every is not None and update % every == 0


def _measure(
    training: Training[Any], evaluate: Callable[[Any], Mapping[str, float]], plan: Plan
) -> Mapping[str, float]:
    """The figures, which also go into the history."""
    values: Mapping[str, float] = {}
    with training.averaged():
        if is_main():
            with torch.no_grad(), randomness.undisturbed():
                values = evaluate(training.model.eval())
            training.model.train()
    values = broadcast(values)
    if plan.monitor:
        training.history.append(score(values[plan.monitor], plan.is_higher_better))
    if training.averaging:
        training.averaging.note(training.history)
    return values
