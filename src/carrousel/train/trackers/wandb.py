"""Weights & Biases. Its own environment variables say where to: WANDB_PROJECT, WANDB_ENTITY, WANDB_MODE=offline."""

import os
import secrets
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from carrousel.files import write_atomically
from carrousel.train.summary import Summary

wandb: Any = import_module("wandb")  # an extra, and not typed

ID = "wandb.txt"


class WandbTracker:
    """Sends scalars train/... and valid/... to the project WANDB_PROJECT, or carrousel; its files lie in FOLDER/wandb."""

    def start(self, settings: Mapping[str, Any], folder: Path, update: int = 0) -> None:
        """As `Tracker.start`; a run that goes on is the same run there."""
        path = folder / ID
        run_id = path.read_text().strip() if path.exists() else secrets.token_hex(4)
        write_atomically(path, f"{run_id}\n".encode())
        self.run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "carrousel"),
            name=folder.name,
            dir=str(folder),
            id=run_id,
            resume="allow",
            config=dict(settings),
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.run.define_metric("update")
        self.run.define_metric("*", step_metric="update")

    def step(self, update: int, values: Mapping[str, float]) -> None:
        """As `Tracker.step`."""
        self.run.log({"update": update, **{f"train/{name}": value for name, value in values.items()}})

    def evaluation(self, update: int, values: Mapping[str, float]) -> None:
        """As `Tracker.evaluation`."""
        self.run.log({"update": update, **{f"valid/{name}": value for name, value in values.items()}})

    def finish(self, summary: Summary) -> None:
        """As `Tracker.finish`."""
        self.run.summary.update({f"best/{name}": value for name, value in summary.figures.items()})
        self.run.summary.update({"best/update": summary.best_update, "parameters": summary.parameters})
        for baseline, found in summary.baselines.items():
            self.run.summary.update({f"baseline/{baseline}/{name}": value for name, value in found["figures"].items()})

    def close(self) -> None:
        """As `Tracker.close`."""
        self.run.finish()
