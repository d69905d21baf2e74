"""TensorBoard: event files in the run folder, to be looked at by `tensorboard --logdir runs`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from carrousel.train.summary import Summary


class TensorBoardTracker:
    """Writes scalars train/... and valid/... into FOLDER/tensorboard."""

    def start(self, settings: Mapping[str, Any], folder: Path, update: int = 0) -> None:
        """As `Tracker.start`; what an earlier process wrote after `update` is hidden by TensorBoard."""
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=update + 1 if update else None)
        if not update:
            rows = [f"| {name} | `{json.dumps(value)}` |" for name, value in settings.items()]
            self.writer.add_text("settings", "\n".join(["| setting | value |", "| --- | --- |", *rows]))

    def step(self, update: int, values: Mapping[str, float]) -> None:
        """As `Tracker.step`."""
        for name, value in values.items():
            self.writer.add_scalar(f"train/{name}", value, update)

    def evaluation(self, update: int, values: Mapping[str, float]) -> None:
        """As `Tracker.evaluation`; on the disk afterwards."""
        for name, value in values.items():
            self.writer.add_scalar(f"valid/{name}", value, update)
        self.writer.flush()

    def finish(self, summary: Summary) -> None:
        """As `Tracker.finish`: the figures of the kept weights, beside those of the baselines."""
        for name, value in summary.figures.items():
            self.writer.add_scalar(f"best/{name}", value, summary.best_update)
        rows = [
            f"| {name} | " + ", ".join(f"{figure} {value:.4g}" for figure, value in found["figures"].items()) + " |"
            for name, found in summary.baselines.items()
        ]
        self.writer.add_text("baselines", "\n".join(["| baseline | figures |", "| --- | --- |", *rows]))

    def close(self) -> None:
        """As `Tracker.close`."""
        self.writer.close()
