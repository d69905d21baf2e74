"""A run of any kind of model, from its settings to its run folder: start or resume, train, finish."""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from carrousel.errors import DataError
from carrousel.train import checkpoint
from carrousel.train.curve import draw_curve
from carrousel.train.distributed import broadcast, is_main
from carrousel.train.from_settings import plan_of, training_of
from carrousel.train.kind import Figures, Kind, Prepared
from carrousel.train.loader_time import TimedBatches
from carrousel.train.loop import Checkpoint, Diagnosis, Evaluation, Event, Plan, Step, Training, train
from carrousel.train.not_finite import NotFiniteError
from carrousel.train.report_page import write_report
from carrousel.train.run_folder import RunFolder, check_is_new, default_path
from carrousel.train.settings import Settings, read_yaml
from carrousel.train.stopping import is_over, score
from carrousel.train.summary import Summary
from carrousel.train.trackers import tracking

CHECKPOINT = "checkpoint.safetensors"
WORTH_THREADS = 200_000
"""Parameters below which threads wait for each other longer than they save, most of all on a machine with other work to do."""


@dataclass
class Run:
    """A run that can be trained: `for event in run.train(): ...`, then `run.finish()`."""

    kind: Kind[Any]
    settings: Any
    prepared: Prepared
    training: Training[Any]
    plan: Plan
    folder: RunFolder
    seconds: float = 0.0  # spent on training, by earlier processes too
    best: Mapping[str, Any] | None = None  # the line of metrics.jsonl with the best evaluation so far
    began: float = 0.0  # when this process began to train
    origin: str = ""  # what the first weights were taken from, as a sentence

    def __post_init__(self) -> None:
        for line in self.folder.metrics() if is_main() else ():
            if "figures" in line:
                self._note_best(line)

    @classmethod
    def start(
        cls,
        kind: Kind[Any],
        settings: Settings,
        path: Path | None = None,
        where: str = "train",
        data: Any = None,
        weights: Path | None = None,
        load: Callable[[Path, str], nn.Module] | None = None,
    ) -> "Run":
        """A new run. Everything is checked before its folder appears; without a path it is runs/<name>_<date>.

        Args:
            data: Python objects to learn from, in place of the files that the settings name.
            weights: folder of a trained model to start from: all its weights where it is of the same kind, else what it reads with.
            load: (folder, where) -> the network there; needed for a folder of another kind.

        Raises:
            ConfigError: a setting that does not fit, or a run folder that exists.
            DataError: data that cannot be used, or a place that cannot be written to.
        """
        if path is not None:
            check_is_new(path, where)
        taken: list[str] = []

        def take(network: Any) -> None:
            if weights is not None:
                taken.extend(network.start_from(weights, where, load or kind.load))

        made = build(kind, settings, where, data, take)
        prepared: Prepared = made["prepared"]
        path = Path(broadcast(str(path or default_path(prepared.name, datetime.now()))))
        described = json.dumps(cast(Any, prepared.network).described(), indent=2, ensure_ascii=False) + "\n"
        if is_main():
            kept = kind.absolute(settings, None, where)  # a run may be resumed from another folder
            named = json.dumps({"source": prepared.source}, ensure_ascii=False) + "\n"
            RunFolder.create(path, {"config.yaml": kept.to_yaml(), "config.json": described, "data.json": named}, where)
        run = cls(kind, settings, folder=RunFolder(path), **made)
        if weights is not None:
            run.origin = f" Started from {weights}: {', '.join(taken)}."
            run._record(Checkpoint(0))  # from which a run goes on that is killed before its first one
        return run

    @classmethod
    def resume(cls, path: Path, find_kind: Callable[[str], Kind[Any]], where: str = "train", data: Any = None) -> "Run":
        """The run in a folder as it was at its last checkpoint, or at its start where it has none.

        Raises:
            DataError: no run folder, a damaged one, or other data than the run began with.
        """
        kind, settings = settings_in(path, find_kind, where)
        made = build(kind, settings, where, data)
        folder, seconds = RunFolder(path), 0.0
        made["prepared"].source = folder.source(where) or made["prepared"].source
        if (path / CHECKPOINT).exists():
            state = checkpoint.load(path / CHECKPOINT, where)
            if state["data"] != made["prepared"].fingerprint:
                source = made["prepared"].source
                raise DataError(
                    f"{where}: {source} has changed since {path} was started, expected the same data. Put it back, or start a new "
                    "run."
                )
            made["training"].load_state_dict(state["training"])
            if is_main():
                folder.cut_metrics(state["metrics_bytes"])
            seconds = state["seconds"]
        elif is_main():
            folder.cut_metrics(0)
        return cls(kind, settings, folder=folder, seconds=seconds, **made)

    @property
    def updates(self) -> int:
        """Optimiser steps in all."""
        return self.plan.updates

    @property
    def is_complete(self) -> bool:
        """Whether training came to its end: all updates were made, or no further one would help."""
        return self.training.update == self.updates or is_over(self.training.history, self.plan.patience)

    def loader_share(self) -> float:
        """Part of this process's training time that went into making batches."""
        return cast(TimedBatches[Any], self.training.batches).seconds / max(time.monotonic() - self.began, 1e-9)

    def describe(self) -> str:
        """What is about to happen, in a line."""
        model, done = self.settings.model, self.training.update
        at = f"from update {done:,} of {self.updates:,}" if done else f"for {self.updates:,} updates"
        parameters = cast(Any, self.prepared.network).num_parameters
        kept = f" {self.prepared.store}" if self.prepared.store else ""
        article = "an" if self.kind.name[0] in "aeiou" else "a"
        return (
            f"Training {article} {self.kind.name} ({model.cell}, {model.hidden_size} units, {parameters:,} parameters) {at} on "
            f"{self.prepared.source}: {self.prepared.size}.{kept}{self.origin} Run folder: {self.folder.path}"
        )

    def train(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """The events of training, each recorded in the run folder before it is handed out."""
        if is_main():
            self.folder.log(self.describe())
        self.began, before, prepared = time.monotonic(), self.seconds, self.prepared
        events = train(
            self.training,
            prepared.loss,
            prepared.evaluate,
            self.plan,
            should_stop,
            ids=prepared.ids,
            columns=prepared.columns,
        )
        names = self.settings.train.track if is_main() else ()
        try:
            with tracking(names, self.settings, self.folder.path, self.training.update) as tracked:
                for event in events:
                    self.seconds = round(before + time.monotonic() - self.began, 3)
                    self._record(event)
                    tracked.take(event)
                    yield event
                if is_main() and self.is_complete:
                    tracked.finish(self._summary({}))
        except NotFiniteError as error:
            if is_main():
                self.folder.write_json("not_finite.json", dataclasses.asdict(error.report))
                self.folder.log(str(error))
                write_report(self.folder.path, self.kind.Settings)
            raise
        finally:
            if is_main():
                self.folder.sync_metrics()

    def finish(self) -> Summary:
        """Measure the baselines and write summary.json, examples.json, sample.txt, pictures.json, gates.json and report.html."""
        prepared, folder = self.prepared, self.folder
        network = self.kind.load(folder.path, "train")
        summary = self._summary(prepared.baselines())
        folder.write_json("summary.json", dataclasses.asdict(summary))
        with torch.no_grad():
            folder.write_json("examples.json", [dataclasses.asdict(shown) for shown in prepared.examples(network)])
            folder.write_text("sample.txt", prepared.sample(network))
            if (pictures := prepared.pictures(network)) is not None:
                folder.write_json("pictures.json", pictures.to_dict())
            if (gates := prepared.gates(network)) is not None:
                folder.write_json("gates.json", gates)
        write_report(folder.path, self.kind.Settings)
        return summary

    def _summary(self, baselines: Mapping[str, tuple[Figures, str]]) -> Summary:
        prepared, best = self.prepared, self.best
        assert best is not None, "training ends with an evaluation"
        return Summary(
            kind=self.kind.name,
            name=prepared.name,
            source=prepared.source,
            size=prepared.size,
            unit=prepared.unit,
            figures=best["figures"],
            monitor=prepared.monitor,
            is_higher_better=prepared.is_higher_better,
            best_update=best["update"],
            baselines={name: {"figures": dict(found), "about": about} for name, (found, about) in baselines.items()},
            seen=self.training.seen,
            seconds=self.seconds,
            parameters=cast(Any, prepared.network).num_parameters,
            updates=self.training.update,
            notes=dict(prepared.notes),
            loss_unit=prepared.loss_unit,
            loader_share=round(self.loader_share(), 4),
        )

    def draw(self, summary: Summary) -> str | None:
        """Draw curve.png, and say why not where Matplotlib is missing."""
        return draw_curve(self.folder.metrics(), summary, self.prepared.loss_in_monitor, self.folder.path / "curve.png")

    def _record(self, event: Event) -> None:
        """Write an event into the run folder; with several processes, the first of them does."""
        if isinstance(event, Checkpoint):
            training = self.training.state_dict()  # gathered from all processes
            if is_main():
                self._save(training)
        elif isinstance(event, Evaluation):
            with self.training.kept() as weights:  # on all processes, which may have a part each
                if is_main():
                    self._note(event, weights)
        elif is_main():
            self._note(event)

    def _save(self, training: Mapping[str, Any]) -> None:
        state = {
            "training": training,
            "metrics_bytes": self.folder.sync_metrics(),
            "seconds": self.seconds,
            "data": self.prepared.fingerprint,
        }
        checkpoint.save(self.folder.path / CHECKPOINT, state)

    def _note(self, event: Event, weights: Mapping[str, Tensor] | None = None) -> None:
        match event:
            case Step():
                values = {
                    "update": event.update,
                    "seen": event.seen,
                    "loss": event.loss,
                    "learning_rate": event.learning_rate,
                    "gradient_norm": event.gradient_norm,
                }
                self.folder.add_metrics(values | {"seconds": self.seconds})
            case Evaluation():
                line = {"update": event.update, "figures": dict(event.values), "seconds": self.seconds}
                if self._note_best(line):
                    cast(Any, self.prepared.network).save_weights(self.folder.path, weights)
                shown = ", ".join(f"{name} {value:.4g}" for name, value in event.values.items())
                self.folder.log(f"update {event.update:,}: {shown}")
                self.folder.add_metrics(line)
            case Diagnosis():
                self.folder.add_metrics({"update": event.update, "diagnosis": dataclasses.asdict(event)})
            case _:
                pass

    def _note_best(self, line: Mapping[str, Any]) -> bool:
        """Whether an evaluation is the best so far; the first of equals is."""
        name, is_higher_better = self.prepared.monitor, self.prepared.is_higher_better
        before = math.inf if self.best is None else score(self.best["figures"][name], is_higher_better)
        is_best = self.best is None or score(line["figures"][name], is_higher_better) < before
        if is_best:
            self.best = line
        return is_best


def build(
    kind: Kind[Any],
    settings: Any,
    where: str = "train",
    data: Any = None,
    change: Callable[[Any], None] = lambda network: None,
) -> dict[str, Any]:
    """Everything that a run needs but its folder; `change` sees the network before anything is made from its weights."""
    torch.manual_seed(settings.train.seed)
    prepared = kind.prepare(settings, where, data)
    change(prepared.network)
    parameters = cast(Any, prepared.network).num_parameters
    if settings.train.threads is not None or parameters < WORTH_THREADS:
        torch.set_num_threads(settings.train.threads or 1)
    plan = plan_of(settings.train, len(prepared.batches), prepared.monitor, prepared.is_higher_better)
    training = training_of(settings.train, prepared.network, TimedBatches(prepared.batches), where)
    return {"prepared": prepared, "training": training, "plan": plan}


def settings_in(path: Path, find_kind: Callable[[str], Kind[Any]], where: str = "train") -> tuple[Kind[Any], Any]:
    """The kind of a run folder and its settings.

    Raises:
        DataError: it is no run folder, or a damaged one.
        ConfigError: its settings are not of this version.
    """
    text, place = _read_settings(path, where), f"{where}: {path}/config.yaml"
    kind = find_kind(str(read_yaml(text, place).get("kind", "")))
    return kind, kind.Settings.from_yaml(text, where=place)


def _read_settings(path: Path, where: str) -> str:
    try:
        return (path / "config.yaml").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        what = "has no config.yaml" if path.is_dir() else "is a file" if path.exists() else "does not exist"
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
    raise DataError(
        f"{where}: the run folder {path} {what}, expected one that `carrousel train` made. Check the path given to --resume."
    )
