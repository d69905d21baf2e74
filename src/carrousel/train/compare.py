"""Cells side by side on an exercise: the same strings for each, and what each has learned after how many of them.

for event in compare(Comparison("embedded-reber", contenders("srn,lstm"), seeds=3, budget=8_000)):
    match event:
        case Measured(): ...
        case Run(): ...
"""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from carrousel.errors import ConfigError
from carrousel.tasks import Batch, find
from carrousel.tasks.reber import ReberTask
from carrousel.train.contender import Contender, Predictor
from carrousel.train.loop import Loss, Plan, Step, Training, train
from carrousel.train.workers import run_jobs

BATCH_SIZE = 16
LEARNING_RATE = 0.01
CRITERION = 0.99  # share of the test strings wholly right at which the task counts as learned
NUM_TEST_STRINGS = 500
MEASURED_EVERY = 400  # strings; the powers of two times 1000 come in between
FORCED = 10  # symbols; the shortest embedded strings have one fewer
TRAINING_STRINGS, TEST_STRINGS = 1, 2  # first words of the random generators' seeds


class Point(NamedTuple):
    """What the test strings showed after so many training strings."""

    seen: int
    steps_legal: float
    strings_right: float


@dataclass(frozen=True)
class Run:
    """One cell trained from one seed.

    Attributes:
        cell: the contender's label.
        parameters: trained numbers, read-out included.
        steps_legal, strings_right: at the end.
        sequences: training strings after which the criterion was first met, at the resolution of the curve; or None.
        seconds: of training and measuring.
    """

    cell: str
    seed: int
    parameters: int
    steps_legal: float
    strings_right: float
    sequences: int | None
    seconds: float
    curve: tuple[Point, ...]

    def at(self, seen: int) -> Point:
        """The last point of the curve that is not after `seen` strings."""
        return [point for point in self.curve if point.seen <= seen][-1]


@dataclass(frozen=True)
class Measured:
    """A run that goes on was measured."""

    cell: str
    seed: int
    point: Point


def usual_hidden_size(min_length: int) -> int:
    """12 units; 24 where strings are made longer, since with 12 one LSTM in five fails to learn them."""
    return 12 if min_length < FORCED else 24


@dataclass(frozen=True)
class Comparison:
    """Who is compared on what.

    Attributes:
        task: name of the exercise.
        contenders: the cells.
        seeds: runs of each cell. The seed draws the first parameters and the training strings; the test strings are
            always the same.
        budget: training strings of each run, in batches of 16.
        min_length: symbols that each string has at least.
        hidden_size: units of each cell.

    Raises:
        ConfigError: unknown task, or a number out of range.
    """

    task: str
    contenders: tuple[Contender, ...]
    seeds: int = 5
    budget: int = 32_000
    min_length: int = 0
    hidden_size: int = 12

    def __post_init__(self) -> None:
        least = {"seeds": (self.seeds, 1), "budget": (self.budget, BATCH_SIZE), "hidden_size": (self.hidden_size, 1)}
        for name, (value, lowest) in least.items():
            if value < lowest:
                raise ConfigError(f"compare: {name} is {value}, expected at least {lowest}. Choose a larger number.")
        num_symbols = self.exercise.input_size
        for contender in self.contenders:
            with _own_randomness(0):
                contender.network(num_symbols, self.hidden_size)

    @property
    def num_runs(self) -> int:
        return self.seeds * len(self.contenders)

    @cached_property
    def exercise(self) -> ReberTask:
        return find(self.task).at_least(self.min_length)

    @cached_property
    def test(self) -> Batch:
        """The strings on which all runs are measured."""
        return self.exercise.generate(np.random.default_rng((TEST_STRINGS, 0)), NUM_TEST_STRINGS)

    @cached_property
    def marks(self) -> tuple[int, ...]:
        """Numbers of training strings after which a run is measured."""
        doubled = (1000 * 2**k for k in range(self.budget.bit_length()))
        marks = {*doubled, *range(MEASURED_EVERY, self.budget, MEASURED_EVERY), self.budget}
        return tuple(sorted(mark for mark in marks if mark <= self.budget))


class Strings:
    """Batches of fresh strings, the same for every cell; one is cut short where a measurement is due."""

    def __init__(self, exercise: ReberTask, seed: int, marks: Sequence[int]) -> None:
        self.exercise, self.marks = exercise, marks
        self.random = np.random.default_rng((TRAINING_STRINGS, seed))
        self.drawn = 0

    def __len__(self) -> int:
        """Batches up to the last mark."""
        return num_batches(self.marks)

    def next(self) -> Batch:
        """The next batch, of 16 strings or fewer."""
        mark = next(mark for mark in self.marks if mark > self.drawn)
        size = min(BATCH_SIZE, mark - self.drawn)
        self.drawn += size
        return self.exercise.generate(self.random, size)

    def state_dict(self) -> dict[str, Any]:
        """The state of the draw."""
        return {"drawn": self.drawn, "random": dict(self.random.bit_generator.state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as the draw whose state this is."""
        self.drawn, self.random.bit_generator.state = state["drawn"], state["random"]

    def shard(self, rank: int, world: int) -> "Strings":
        """The whole: each run of a comparison has one process."""
        assert (rank, world) == (0, 1)
        return self


def num_batches(marks: Sequence[int]) -> int:
    """Batches that `Strings` gives up to the last mark."""
    return sum(-(-(end - start) // BATCH_SIZE) for start, end in zip((0, *marks), marks, strict=False))


def compare(comparison: Comparison, num_workers: int = 1) -> Generator[Measured | Run]:
    """All runs, each measured as it goes; several at a time come interleaved. The numbers do not depend on that.

    Args:
        num_workers: runs at a time, each in its own process; see `carrousel.train.workers` for more than one.

    Raises:
        TrainingError: the loss of a run is no longer finite.
    """
    jobs = [(comparison, contender, seed) for seed in range(comparison.seeds) for contender in comparison.contenders]
    return run_jobs(run, jobs, num_workers)


def run(job: tuple[Comparison, Contender, int]) -> Iterator[Measured | Run]:
    """One run: what is measured, then the whole. On one thread."""
    comparison, contender, seed = job
    began = time.perf_counter()
    with _one_thread():
        with _own_randomness(seed):
            model = contender.network(comparison.exercise.input_size, comparison.hidden_size)
        curve: list[Point] = []
        for seen in _trained(model, comparison, seed):
            curve.append(_measure(model, comparison, seen))
            yield Measured(contender.label, seed, curve[-1])
    yield Run(
        cell=contender.label,
        seed=seed,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps_legal=curve[-1].steps_legal,
        strings_right=curve[-1].strings_right,
        sequences=strings_until_learned(curve),
        seconds=round(time.perf_counter() - began, 2),
        curve=tuple(curve),
    )


def strings_until_learned(curve: Sequence[Point]) -> int | None:
    """Training strings at the first point that meets the criterion.

    >>> strings_until_learned([Point(400, 0.99, 0.989), Point(800, 1.0, 0.99), Point(1_000, 1.0, 1.0)])
    800
    """
    return next((point.seen for point in curve if point.strings_right >= CRITERION), None)


def _trained(model: Predictor, comparison: Comparison, seed: int) -> Iterator[int]:
    """Trains the model, and gives the number of strings seen whenever it is to be measured."""
    marks = comparison.marks
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=True)
    updates = num_batches(marks)
    plan = Plan(updates, learning_rate=lambda _: LEARNING_RATE, evaluate_every=updates, checkpoint_every=updates)
    training = Training(model, optimiser, Strings(comparison.exercise, seed, marks))
    for event in train(training, _loss, lambda _: {}, plan):
        if isinstance(event, Step) and event.seen in marks:
            yield event.seen


def _loss(model: Predictor, batch: Batch, _carried: None) -> Loss:
    """Cross-entropy of the next symbol, over all steps of all strings."""
    is_step = torch.from_numpy(batch.mask)
    logits = model(torch.from_numpy(batch.inputs))
    loss = nn.functional.cross_entropy(logits[is_step], torch.from_numpy(batch.targets)[is_step])
    return Loss(loss, num_seen=len(batch.lengths))


def _measure(model: Predictor, comparison: Comparison, seen: int) -> Point:
    model.eval()
    with torch.no_grad():
        outputs = model(torch.from_numpy(comparison.test.inputs)).numpy()
    model.train()
    return Point(seen, *comparison.exercise.success(outputs, comparison.test))


@contextmanager
def _own_randomness(seed: int) -> Generator[None]:
    """Torch's generator seeded inside, and as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def _one_thread() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
