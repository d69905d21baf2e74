"""Run folders made by hand, for tests of what reads them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG = """kind: toy
data:
  train: null  # path of nothing
  target: 3.0  # what the weight should become
model:
  cell: lstm  # name of a cell
  hidden_size: {hidden_size}  # units
train:
  updates: 40  # steps
  learning_rate: {learning_rate}  # at its peak
  clip_norm: .inf  # none
"""

SUMMARY: dict[str, Any] = {
    "kind": "toy", "name": "toy", "source": "sample toys", "size": "40 toys; 4 are held out", "unit": "toys",
    "figures": {"accuracy": 0.75, "loss": 0.5}, "monitor": "accuracy", "is_higher_better": True, "best_update": 30,
    "baselines": {
        "always one": {"figures": {"accuracy": 0.5}, "about": "the most frequent"},
        "table": {"figures": {"accuracy": 0.8, "loss": 0.4}, "about": "what was seen"},
    },
    "parameters": 1234, "updates": 40, "seen": 400, "seconds": 65.0, "notes": {"padding_saved": 0.25},
}  # fmt: skip


def make_run(
    path: Path,
    *,
    updates: int = 40,
    summary: dict[str, Any] | None = SUMMARY,
    hidden_size: int = 8,
    learning_rate: float = 0.1,
    files: Mapping[str, str] | None = None,
) -> Path:
    """A run folder with these numbers of updates; further files by name, or others in place of these."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(CONFIG.format(hidden_size=hidden_size, learning_rate=learning_rate))
    lines: list[dict[str, Any]] = []
    for update in range(1, updates + 1):
        lines.append(
            {"update": update, "seen": 10 * update, "loss": 3 * math.exp(-update / 20), "learning_rate": learning_rate,
             "gradient_norm": 10.0 ** (update % 4), "seconds": 0.5 * update}
        )  # fmt: skip
        if update % 10 == 0:
            figures = {"accuracy": 0.75 - abs(update - 30) / 100, "loss": 1 / update}
            lines.append({"update": update, "figures": figures, "seconds": 0.5 * update})
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if summary is not None:
        (path / "summary.json").write_text(json.dumps(summary))
    for name, text in (files or {}).items():
        (path / name).write_text(text)
    return path
