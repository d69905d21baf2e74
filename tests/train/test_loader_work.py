"""What it costs to make a batch, in counts: one for each batch of an update, none in the loss, no Python loop over its rows."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

import carrousel
from carrousel.data.ragged import Ragged
from carrousel.models.forecaster.panel import Panel
from carrousel.models.kinds import KINDS, read_settings, write_starter
from carrousel.models.seq2seq.network import Seq2SeqNetwork
from carrousel.train.loop import Step, train
from carrousel.train.run import build

MOST_CALLS_A_ROW: Mapping[str, int] = {
    "language-model": 0, "tagger": 0, "classifier": 0, "target-classifier": 0, "word-sense": 0, "forecaster": 0,
    "autoencoder": 4,  # a slice of a window each, long ones
    "seq2seq": 17,  # both sides of a pair are encoded when it is read
}  # fmt: skip
ROWS = (4, 32)
SOURCES = str(Path(carrousel.__file__).parent)
MAKERS: tuple[tuple[type, str], ...] = (
    (Ragged, "padded"), (Ragged, "__getitem__"), (Panel, "batch"), (Seq2SeqNetwork, "batch"),
)  # fmt: skip


@dataclass
class Counted:
    """Batches that count how many were made."""

    batches: Any
    num_made: int = 0

    def __len__(self) -> int:
        return len(self.batches)

    def next(self) -> Any:
        self.num_made += 1
        return self.batches.next()

    def state_dict(self) -> dict[str, Any]:
        return self.batches.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.batches.load_state_dict(state)

    def shard(self, rank: int, world: int) -> "Counted":
        return Counted(self.batches.shard(rank, world))


def made(kind: str, folder: Path, *overrides: str) -> dict[str, Any]:
    """A run of a small network on a kind's sample."""
    path = write_starter(kind, folder)[0]
    found, settings = read_settings(path, ["model.hidden_size=4", "train.threads=1", *overrides])
    return build(found, settings)


def num_calls(work: Callable[[], object]) -> int:
    """How many of the library's own functions it calls; those that check types in tests do not count."""
    count = 0

    def note(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(SOURCES)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_costs_as_many_calls_however_many_rows_it_has(kind: str, tmp_path: Path) -> None:
    counts: list[int] = []
    for size in ROWS:
        (tmp_path / str(size)).mkdir()
        batches = made(kind, tmp_path / str(size), f"train.batch_size={size}")["prepared"].batches
        batches.next()  # the first one draws the order of an epoch
        counts.append(num_calls(batches.next))
    assert counts[1] - counts[0] <= MOST_CALLS_A_ROW[kind] * (ROWS[1] - ROWS[0]), counts
    assert counts[0] < 200


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_makes_its_batches_once_and_the_loss_makes_none(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(kind, tmp_path, "train.batch_size=4", "train.accumulate=2")
    training = run["training"]
    training.batches = counted = Counted(training.batches)
    position = counted.state_dict()["position"]

    def loss(network: torch.nn.Module, batch: Any, carried: Any) -> Any:
        with monkeypatch.context() as patch:
            for owner, name in MAKERS:
                patch.setattr(owner, name, refuse)
            return run["prepared"].loss(network, batch, carried)

    plan = replace(run["plan"], updates=3, evaluate_every=9, monitor="")
    assert sum(isinstance(event, Step) for event in train(training, loss, lambda network: {}, plan)) == 3
    assert (counted.num_made, counted.state_dict()["position"] - position) == (6, 6)


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("a loss makes a batch, in time that is not the loader's")
