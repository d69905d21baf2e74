"""Training, in the order things happen: a generator of events, which the command line, plots and tests consume.

    for event in train(training, loss, evaluate, plan):
        match event:
            case Step(): ...
            case Evaluation(): ...
            case Checkpoint(): save(path, training.state_dict())

It knows nothing of text, files or terminals, and whatever it hands out, it waits: between two events nothing is half done.
Copy it and own it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch

from carrousel.train import randomness
from carrousel.train.diagnostics import Diagnosis, Sizes, diagnose
from carrousel.train.distributed import broadcast, is_main, total
from carrousel.train.events import Checkpoint, Evaluation, Event, Step
from carrousel.train.not_finite import Examiner
from carrousel.train.plan import Plan
from carrousel.train.protocols import Batches, InputColumn, Loss, TrainingError
from carrousel.train.stopping import is_over, score
from carrousel.train.training import Training
from carrousel.train.update import Attempt, Gradient, clip, draws_zero_state

__all__ = [
    "Batches", "Checkpoint", "Diagnosis", "Evaluation", "Event", "Loss", "Plan", "Step", "Training", "TrainingError", "train",
]  # fmt: skip

Batch = TypeVar("Batch")


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
