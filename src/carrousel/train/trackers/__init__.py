"""Trackers follow a run beside its run folder: TensorBoard, Weights & Biases, MLflow.

with tracking(settings.train.track, settings, folder, update) as tracked:
    for event in events:
        tracked.take(event)
    tracked.finish(summary)
"""

import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from carrousel.errors import ConfigError, DataError, nearest
from carrousel.train.loop import Evaluation, Event, Step
from carrousel.train.runs import finite, flat
from carrousel.train.settings import Settings
from carrousel.train.summary import Summary
from carrousel.train.trackers.tracker import Tracker

TrackerName = Literal["tensorboard", "wandb", "mlflow"]

TRACKERS: dict[str, tuple[str, str]] = {
    "tensorboard": ("carrousel.train.trackers.tensorboard", "TensorBoardTracker"),
    "wandb": ("carrousel.train.trackers.wandb", "WandbTracker"),
    "mlflow": ("carrousel.train.trackers.mlflow", "MlflowTracker"),
}
"""Name -> module and class; the extra of the same name installs what it needs."""


class TrackerWarning(UserWarning):
    """A tracker failed and is left out from here on; the run and its folder are not touched."""


class Tracked:
    """The trackers of a run, as one. One that fails is left out with a warning: a run is not lost for it."""

    def __init__(self, trackers: dict[str, Tracker]) -> None:
        self.trackers = trackers

    def take(self, event: Event) -> None:
        """Pass on an event of training."""
        match event:
            case Step():
                values = {
                    "loss": event.loss,
                    "learning_rate": event.learning_rate,
                    "gradient_norm": event.gradient_norm,
                    "seen": float(event.seen),
                }
                self._each(lambda tracker: tracker.step(event.update, values))
            case Evaluation():
                self._each(lambda tracker: tracker.evaluation(event.update, event.values))
            case _:
                pass

    def finish(self, summary: Summary) -> None:
        """Pass on what came out."""
        self._each(lambda tracker: tracker.finish(summary))

    def close(self) -> None:
        """Tell them that nothing more comes."""
        self._each(lambda tracker: tracker.close())
        self.trackers = {}

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            try:
                call(tracker)
            except Exception as error:  # whatever a service's client raises
                del self.trackers[name]
                warnings.warn(
                    f"train: the tracker {name} failed ({type(error).__name__}: {error}) and is left out from here on; the run "
                    "folder has everything.",
                    TrackerWarning,
                    stacklevel=2,
                )


@contextmanager
def tracking(
    names: Sequence[str], settings: Settings, folder: Path, update: int = 0, where: str = "train"
) -> Generator[Tracked]:
    """The trackers of these names, started; they are closed at the end, whatever happens.

    Args:
        settings: of the run.
        folder: of the run.
        update: that the run goes on from; 0 for a new one.

    Raises:
        ConfigError: an unknown tracker, or one that is not installed.
        DataError: one that cannot be started.
    """
    found = {name: make_tracker(name, where) for name in names}
    described = {"kind": settings.kind, **flat(finite(settings.model_dump(mode="json")))}
    tracked = Tracked({})
    try:
        for name, tracker in found.items():
            _start(name, tracker, described, folder, update, where)
            tracked.trackers[name] = tracker
        yield tracked
    finally:
        tracked.close()


def _start(name: str, tracker: Tracker, settings: dict[str, Any], folder: Path, update: int, where: str) -> None:
    try:
        tracker.start(settings, folder, update)
    except Exception as error:  # whatever a service's client raises
        raise DataError(
            f"{where}: the tracker {name} cannot be started ({type(error).__name__}: {error}), expected it to take the run. "
            "Check its set-up, or leave it out of train.track."
        ) from error


def make_tracker(name: str, where: str = "train") -> Tracker:
    """A tracker that has not started.

    Raises:
        ConfigError: there is none of this name, or its package is not installed.
    """
    if name not in TRACKERS:
        raise ConfigError(
            f"{where}: unknown tracker {name!r}.{nearest(name, TRACKERS)} Trackers: {', '.join(TRACKERS)}."
        )
    module, made = TRACKERS[name]
    try:
        return getattr(import_module(module), made)()
    except ImportError as error:
        raise ConfigError(
            f"{where}: the tracker {name} needs the package {(error.name or name).partition('.')[0]}, which is not installed. "
            f"pip install 'carrousel[{name}]'"
        ) from None
