"""A small training that can be run by one process or by several, for tests of several: `python two_processes.py FOLDER TASK ...`.

Streams of numbers with the state carried on, rows of different weight, a part of the batch that can be empty.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from carrousel.layers import Recurrent, masks
from carrousel.layers.draw import Draw
from carrousel.models.encoder import StepDropout, draw_for
from carrousel.train import checkpoint
from carrousel.train.distributed import is_main, processes, rank, world
from carrousel.train.from_settings import plan_of, training_of
from carrousel.train.loop import Loss, Step, Training, TrainingError, train
from carrousel.train.not_finite import NotFiniteError
from carrousel.train.train_settings import TrainSettings

OPTIONS = ("dropout", "stop_after", "die_after", "poisoned")
STEPS, ROWS, SIZE, UNITS = 5, 4, 3, 6


class Numbers(NamedTuple):
    x: Tensor  # (T, B, SIZE)
    y: Tensor  # (T, B)
    counts: Tensor  # (T, B), whether there is something to be learned
    is_alone: bool  # one row, which carries no state on, and takes none
    rows: list[int]  # their numbers in the whole batch


class Rows:
    """Random numbers that (number of the batch) decides; every fifth batch has one row alone, and starts afresh."""

    def __init__(self, rank: int = 0, world: int = 1, poisoned: int | None = None) -> None:
        self.rank, self.world, self.position, self.poisoned = rank, world, 0, poisoned

    def __len__(self) -> int:
        return 5

    def next(self) -> Numbers | None:
        draw = torch.Generator().manual_seed(self.position)
        rows = 1 if self.position % 5 == 4 else ROWS
        x = torch.randn(STEPS, rows, SIZE, generator=draw, dtype=torch.float64)
        counts = torch.rand(STEPS, rows, generator=draw) < 0.6
        counts[0] = True
        self.position += 1
        part = slice(self.rank, None, self.world)
        if self.rank >= rows:
            return None
        y = x.sum(-1).roll(1, 0)
        if self.position - 1 == self.poisoned:
            y[0, 1] = torch.nan  # which the second of two processes reads
        return Numbers(x[:, part], y[:, part], counts[:, part], rows == 1, list(range(rows))[part])

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.position = state["position"]

    def shard(self, rank: int, world: int) -> "Rows":
        return Rows(rank, world, self.poisoned)


class Reader(nn.Module):
    """A recurrent layer and a read-out that is called by another name than `forward`; one parameter is never used.

    Args:
        dropout: probability of masks of every kind.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        kinds = [
            masks.zoneout(c=dropout, h=dropout / 2),
            masks.variational_dropout(inputs=dropout, recurrent=dropout),
            masks.weight_drop(dropout),
        ]
        self.recurrent = Recurrent("lstm", SIZE, UNITS, dtype=torch.float64, masks=kinds if dropout else [])
        self.read = nn.Linear(UNITS, 1, dtype=torch.float64)
        self.unused = nn.Parameter(torch.ones(2, dtype=torch.float64))
        self.dropout = StepDropout(dropout, "read")

    def predict(self, x: Tensor, state: Any, draw: Draw) -> tuple[Tensor, Any]:
        y, state = self.recurrent(x, state, draw=draw)
        return self.read(self.dropout(y, draw)).squeeze(-1), state


def loss_of(network: Reader, batch: Numbers, carried: Any) -> Loss:
    predicted, state = network.predict(batch.x, None if batch.is_alone else carried, draw_for(batch.rows))
    error = (predicted - batch.y)[batch.counts].square().mean()
    return Loss(error, None if batch.is_alone else state, int(batch.counts.sum()))


def evaluate(network: Reader) -> dict[str, float]:
    assert is_main()
    return {"error": sum(loss_of(network, batch, None).loss.item() for batch in (Rows().next(),) if batch)}


def build(settings: TrainSettings, dropout: float = 0.0, poisoned: int | None = None) -> Training[Any]:
    torch.manual_seed(settings.seed)
    return training_of(settings, Reader(dropout), Rows(poisoned=poisoned))


def learn(
    settings: TrainSettings,
    state: Path | None = None,
    dropout: float = 0.0,
    stop_after: int | None = None,
    die_after: int | None = None,
    poisoned: int | None = None,
) -> dict[str, Any]:
    """The loss curve and what is left at the end; the second process is the one that wants to stop."""
    training = build(settings, dropout, poisoned)
    if state is not None and state.exists():
        training.load_state_dict(checkpoint.load(state))
    plan = plan_of(settings, len(Rows()), "error")

    def should_stop() -> bool:
        if training.update == die_after and rank() == world() - 1:
            os._exit(3)  # as when the machine runs out of memory
        return training.update == stop_after and rank() == world() - 1

    try:
        events = list(train(training, loss_of, evaluate, plan, should_stop, ids=lambda batch: [f"process {rank()}"]))
    except NotFiniteError as error:
        return {"error": str(error)}
    steps = [event for event in events if isinstance(event, Step)]
    saved = training.state_dict()
    if state is not None and is_main():
        checkpoint.save(state, saved)
    return {
        "losses": [step.loss for step in steps],
        "norms": [step.gradient_norm for step in steps],
        "seen": training.seen,
        "history": training.history,
        "num_kept": num_kept(training),
        "weights": {name: weight.tolist() for name, weight in saved["model"].items()},
    }


def num_kept(training: Training[Any]) -> int:
    """Numbers that this process keeps of weights, of their gradients and of what the optimiser knows about them."""
    own = [value.to_local() if isinstance(value, DTensor) else value for value in _kept(training)]
    return sum(value.numel() for value in own)


def _kept(training: Training[Any]) -> Iterator[Tensor]:
    for parameter in training.model.parameters():
        yield parameter
        if parameter.grad is not None:
            yield parameter.grad
        yield from (value for name, value in training.optimiser.state[parameter].items() if name != "step")


def settings_of(task: Mapping[str, Any]) -> TrainSettings:
    given: dict[str, Any] = {"seed": 3, "learning_rate": 0.01, "evaluate_every": 4, "threads": 1, **task}
    return TrainSettings(**given)


def main(folder: Path, tasks: list[dict[str, Any]]) -> None:
    torch.set_num_threads(1)
    with processes(torch.device("cpu")):
        for number, task in enumerate(tasks):
            task = dict(task)
            given = {name: task.pop(name) for name in OPTIONS if name in task}
            state = task.pop("state", None)
            found = learn(settings_of(task), folder / state if state else None, **given)
            (folder / f"{number}.{rank()}of{world()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), json.loads(os.environ["TASKS"]))
    except TrainingError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
