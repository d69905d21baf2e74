"""MLflow. MLFLOW_TRACKING_URI says where to; without it, the SQLite file mlflow.db beside the run folder."""

import os
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from carrousel.files import write_atomically
from carrousel.train.summary import Summary

mlflow: Any = import_module("mlflow")  # an extra, and not typed
entities: Any = import_module("mlflow.entities")

ID = "mlflow.txt"
HELD_BACK = 100  # numbers that are sent together
LONGEST = 500  # characters of a parameter that every MLflow server takes
MOST_PARAMS = 100  # that it takes at once


class MlflowTracker:
    """Sends parameters and metrics train/... and valid/... to the experiment MLFLOW_EXPERIMENT_NAME, or carrousel."""

    def start(self, settings: Mapping[str, Any], folder: Path, update: int = 0) -> None:
        """As `Tracker.start`; a run that goes on is the same run there."""
        store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.absolute().parent / 'mlflow.db'}"
        self.client, self.waiting = mlflow.MlflowClient(tracking_uri=store), list[Any]()
        path = folder / ID
        if path.exists():
            self.run_id = path.read_text().strip()
            self.client.set_terminated(self.run_id, "RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "carrousel")
        experiment = self.client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else self.client.create_experiment(name)
        self.run_id = str(self.client.create_run(experiment_id, run_name=folder.name).info.run_id)
        write_atomically(path, f"{self.run_id}\n".encode())
        params = [entities.Param(name, str(value)[:LONGEST]) for name, value in settings.items()]
        for k in range(0, len(params), MOST_PARAMS):
            self.client.log_batch(self.run_id, params=params[k : k + MOST_PARAMS])

    def step(self, update: int, values: Mapping[str, float]) -> None:
        """As `Tracker.step`; sent a hundred numbers at a time."""
        self._add("train", update, values)
        if len(self.waiting) >= HELD_BACK:
            self._send()

    def evaluation(self, update: int, values: Mapping[str, float]) -> None:
        """As `Tracker.evaluation`."""
        self._add("valid", update, values)
        self._send()

    def finish(self, summary: Summary) -> None:
        """As `Tracker.finish`."""
        self._add("best", summary.best_update, summary.figures)
        for baseline, found in summary.baselines.items():
            allowed = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in baseline)
            self._add(f"baseline/{allowed}", 0, found["figures"])
        self._send()
        self.client.set_terminated(self.run_id, "FINISHED")
        self.run_id = ""

    def close(self) -> None:
        """As `Tracker.close`; a run that did not come to its end is marked so."""
        if self.run_id:
            self._send()
            self.client.set_terminated(self.run_id, "KILLED")

    def _add(self, group: str, update: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1_000)
        self.waiting += [entities.Metric(f"{group}/{name}", value, now, update) for name, value in values.items()]

    def _send(self) -> None:
        sent, self.waiting = self.waiting, []
        if sent:
            self.client.log_batch(self.run_id, metrics=sent)
