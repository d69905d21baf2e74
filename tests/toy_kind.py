"""A kind of model that trains in milliseconds: one weight that should become `data.target`. For tests of what surrounds a run."""

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from carrousel.errors import ConfigError
from carrousel.models.network import Network
from carrousel.train.kind import Example, Figures, Kind, Prepared
from carrousel.train.loop import Loss
from carrousel.train.settings import RecurrentSettings, Section, Settings
from carrousel.train.train_settings import TrainSettings


class ToyData(Section):
    """What is read."""

    train: str | None = None
    """path of nothing"""
    target: float = 3.0
    """what the weight should become"""
    poison: str | None = None
    """file that ends the process which finds it while it prepares; it is gone afterwards"""


class ToyModel(RecurrentSettings):
    """What is trained."""

    start: float = 0.0
    """the weight at first"""
    refuses: float | None = None
    """a start that cannot be used"""


class ToyTrain(TrainSettings):
    """How it is trained."""

    updates: int | None = Field(default=8, ge=1)
    """optimiser steps in all; null where epochs says how long"""
    epochs: float | None = None
    """passes over the training data; null where updates says how long"""
    evaluate_every: int | None = 2
    """updates between two evaluations"""
    learning_rate: float = Field(default=0.1, gt=0)
    """at its peak"""
    threads: int | None = 1
    """processor threads"""


class ToySettings(Settings):
    """All of them."""

    kind = "toy"
    data: ToyData = ToyData()
    model: ToyModel = ToyModel()
    train: ToyTrain = ToyTrain()


class ToyNetwork(Network):
    """One weight."""

    kind = "toy"

    def __init__(self, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(start))

    def config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Any = None) -> Self:
        return cls(0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


class ToyBatches:
    """Ones without end."""

    def __init__(self) -> None:
        self.position = 0

    def __len__(self) -> int:
        return 4

    def next(self) -> Tensor:
        self.position += 1
        return torch.ones(2)

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.position = state["position"]

    def shard(self, rank: int, world: int) -> "ToyBatches":
        return self


class ToyKind(Kind[ToySettings]):
    """Learns one number; the held-out figure is how far it is off."""

    name = "toy"
    about = "one number"
    Settings = ToySettings

    def prepare(self, settings: ToySettings, where: str = "train", data: Any = None) -> Prepared:
        target, poison = settings.data.target, settings.data.poison
        if poison is not None and Path(poison).exists():
            Path(poison).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        if settings.model.start == settings.model.refuses:
            raise ConfigError(f"{where}: model.start is {settings.model.start:g}, expected another. Change it.")

        def loss(network: ToyNetwork, batch: Tensor, carried: Any) -> Loss:
            return Loss(((network(batch) - target) ** 2).mean(), None, len(batch))

        return Prepared(
            network=ToyNetwork(settings.model.start),
            batches=ToyBatches(),
            loss=loss,
            evaluate=lambda network: {"distance": abs(network.weight.item() - target)},
            monitor="distance",
            is_higher_better=False,
            name="toy",
            source="nothing",
            unit="ones",
            fingerprint=str(target),
            size="2 ones; none are held out",
            baselines=lambda: {"zero": ({"distance": abs(target)}, "the weight 0")},
            examples=lambda network: [Example("1", f"{target:g}", f"{network.weight.item():g}", 1.0)],
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> ToyNetwork:
        return ToyNetwork.from_pretrained(folder, where=where)

    def evaluate(self, network: Any, data: Any, where: str = "evaluate", *, skip_bad: bool = False) -> Figures:
        return {}

    def predict(
        self, network: Any, data: Any, where: str = "predict", *, skip_bad: bool = False, **options: Any
    ) -> Iterator[str]:
        yield ""

    def starter(self) -> Mapping[str, bytes]:
        return {}


KIND = ToyKind()


def find_toy(name: str, where: str = "") -> ToyKind:
    """The kind, whatever is asked for."""
    return KIND
