"""A language-model run from its settings to its run folder: start or resume, train, finish."""

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from carrousel.data import SAMPLES, CharVocabulary, Corpus, Streams, Window, baselines, read_corpus
from carrousel.errors import DataError
from carrousel.models import LanguageModel
from carrousel.train import checkpoint
from carrousel.train.config import Config
from carrousel.train.curve import draw_curve
from carrousel.train.loop import Checkpoint, Evaluation, Event, Loss, Plan, Step, Training, train
from carrousel.train.run_folder import RunFolder, check_is_new, default_path
from carrousel.train.schedule import warm_up_then_cosine

NATS_PER_BIT = math.log(2)
HELD_OUT = "held_out_bits_per_character"  # as metrics.jsonl calls it


class TextBatches:
    """The windows of `streams`, one after the other through all epochs; one number is the whole position."""

    def __init__(self, streams: Streams) -> None:
        self.streams, self.position = streams, 0

    def next(self) -> Window:
        """The window at the position, which then moves on."""
        self.position += 1
        return self.streams.window(self.position - 1)

    def state_dict(self) -> dict[str, Any]:
        """The number of the next window."""
        return {"position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to that window."""
        self.position = state["position"]


def window_loss(model: LanguageModel, window: Window, carried: Any) -> Loss:
    """Mean cross-entropy of a window in nats; the state is carried from window to window and fresh in each epoch."""
    x, y = (torch.from_numpy(ids.astype(np.int64)) for ids in (window.x, window.y))
    logits, state = model(x, None if window.is_start else carried)
    return Loss(nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten()), state, y.numel())


@dataclass(frozen=True)
class Summary:
    """What summary.json holds.

    Attributes:
        bits_per_character: of the held-out text (`LanguageModel.bits_per_character`), with the weights in model.safetensors,
            which are those of the evaluation that found the fewest.
        best_update: after how many updates that was.
        baselines: bits per character of models without a network for the same text, by name.
        characters: read in training, repetitions counted.
        seconds: from the start of training to the end of the last update, evaluations included.
        parameters: trained numbers in the model.
        updates: optimiser steps made.
        text: what was read.
    """

    bits_per_character: float
    best_update: int
    baselines: Mapping[str, float]
    characters: int
    seconds: float
    parameters: int
    updates: int
    text: str


@dataclass
class LanguageModelRun:
    """A run that can be trained: `for event in run.train(): ...`, then `run.finish()`."""

    config: Config
    corpus: Corpus
    training: Training[Window]
    model: LanguageModel
    folder: RunFolder
    seconds: float = 0.0  # spent on training, by earlier processes too

    @classmethod
    def start(cls, config: Config, path: Path | None = None, where: str = "train") -> "LanguageModelRun":
        """A new run. Everything is checked before its folder appears; without a path it is runs/<text>_<date>.

        Raises:
            ConfigError: a setting that does not fit, or a run folder that exists.
            DataError: a text that cannot be used, or a place that cannot be written to.
        """
        if path is not None:
            check_is_new(path, where)
        corpus, training, model = _build(config, where)
        if config.data.text not in SAMPLES:  # a run may be resumed from another folder
            absolute = config.data.model_copy(update={"text": str(Path(config.data.text).resolve())})
            config = config.model_copy(update={"data": absolute})
        path = path or default_path(corpus.name, datetime.now())
        model_config = json.dumps(model.config(), indent=2, ensure_ascii=False) + "\n"
        folder = RunFolder.create(path, {"config.yaml": config.to_yaml(), "config.json": model_config}, where)
        return cls(config, corpus, training, model, folder)

    def describe(self) -> str:
        """What is about to happen, in a line."""
        model, updates = self.model, self.config.train.updates
        at = (
            f"from update {self.training.update:,} of {updates:,}"
            if self.training.update
            else f"for {updates:,} updates"
        )
        return (
            f"Training {model.cell.name} ({model.recurrent.hidden_size} units, {model.num_parameters:,} parameters) {at} on "
            f"{len(self.corpus.train):,} characters of {self.corpus.source}; {len(self.corpus.valid):,} are held out. "
            f"Run folder: {self.folder.path}"
        )

    @classmethod
    def resume(cls, path: Path, where: str = "train") -> "LanguageModelRun":
        """The run in a folder as it was at its last checkpoint, or at its start where it has none.

        Raises:
            DataError: no run folder, a damaged one, or another text than the run began with.
        """
        config = Config.from_yaml(_read_settings(path, where), f"{where}: {path}/config.yaml")
        corpus, training, model = _build(config, where)
        saved = path / "checkpoint.safetensors"
        if not saved.exists():
            folder = RunFolder(path)
            folder.cut_metrics(0)
            return cls(config, corpus, training, model, folder)
        state = checkpoint.load(saved, where)
        if state["text"] != _fingerprint(corpus):
            raise DataError(
                f"{where}: {config.data.text} has changed since {path} was started, expected the same text. Put it back, or "
                "start a new run."
            )
        training.load_state_dict(state["training"])
        folder = RunFolder(path)
        folder.cut_metrics(state["metrics_bytes"])
        return cls(config, corpus, training, model, folder, state["seconds"])

    def train(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """The events of training, each recorded in the run folder before it is handed out."""
        settings = self.config.train
        plan = Plan(
            updates=settings.updates,
            learning_rate=warm_up_then_cosine(settings.learning_rate, settings.warmup_updates, settings.updates),
            clip_norm=settings.clip_norm,
            evaluate_every=settings.evaluate_every,
            checkpoint_every=settings.checkpoint_every,
        )
        self.folder.log(self.describe())
        began = time.monotonic() - self.seconds
        try:
            for event in train(self.training, window_loss, self._evaluate, plan, should_stop):
                self.seconds = round(time.monotonic() - began, 3)
                self._record(event)
                yield event
        finally:
            self.folder.sync_metrics()

    def finish(self) -> tuple[Summary, str, str | None]:
        """Write summary.json and curve.png; give the summary, a sample, and why there is no curve where there is none."""
        best = self._best()
        assert best is not None, "training ends with an evaluation"
        summary = Summary(
            bits_per_character=best[HELD_OUT],
            best_update=best["update"],
            baselines=baselines(self.corpus.train, self.corpus.valid),
            characters=self.training.seen,
            seconds=self.seconds,
            parameters=self.model.num_parameters,
            updates=self.training.update,
            text=self.corpus.source,
        )
        self.folder.write_json("summary.json", dataclasses.asdict(summary))
        wanted = self.config.sample
        sample = LanguageModel.from_pretrained(self.folder.path).sample(
            wanted.prompt, wanted.length, wanted.temperature, torch.Generator().manual_seed(wanted.seed)
        )
        return (
            summary,
            sample,
            draw_curve(self.folder.metrics(), summary.baselines, self.folder.path / "curve.png"),
        )

    def _evaluate(self, model: LanguageModel) -> dict[str, float]:
        return {HELD_OUT: model.bits_per_character(self.corpus.valid)}

    def _record(self, event: Event) -> None:
        match event:
            case Step():
                values = {
                    "update": event.update,
                    "characters": event.seen,
                    "loss": event.loss,
                    "bits_per_character": event.loss / NATS_PER_BIT,
                    "learning_rate": event.learning_rate,
                    "gradient_norm": event.gradient_norm,
                }
                self.folder.add_metrics(values | {"seconds": self.seconds})
            case Evaluation():
                before = self._best()
                found = event.values[HELD_OUT]
                if before is None or found < before[HELD_OUT]:
                    self.model.save_weights(self.folder.path)
                self.folder.log(f"update {event.update:,}: {found:.4f} bits per held-out character")
                self.folder.add_metrics({"update": event.update, **event.values, "seconds": self.seconds})
            case Checkpoint():
                state = {
                    "training": self.training.state_dict(),
                    "metrics_bytes": self.folder.sync_metrics(),
                    "seconds": self.seconds,
                    "text": _fingerprint(self.corpus),
                }
                checkpoint.save(self.folder.path / "checkpoint.safetensors", state)

    def _best(self) -> dict[str, Any] | None:
        """The line of metrics.jsonl with the fewest held-out bits per character; the first of equals."""
        return min(
            (line for line in self.folder.metrics() if HELD_OUT in line), key=lambda line: line[HELD_OUT], default=None
        )


def _build(config: Config, where: str) -> tuple[Corpus, Training[Window], LanguageModel]:
    """Everything that a run needs but its folder."""
    settings = config.train
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    corpus = read_corpus(config.data.text, window=settings.window, batch_size=settings.batch_size, where=where)
    vocabulary = CharVocabulary.of(corpus.train)
    streams = Streams(vocabulary.encode(corpus.train), settings.batch_size, settings.window, seed=settings.seed)
    torch.manual_seed(settings.seed)
    sizes: dict[str, Any] = {**config.model.model_dump(exclude={"sizes"}), **config.model.sizes}
    model = LanguageModel(vocabulary, **sizes)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    return corpus, Training(model, optimiser, TextBatches(streams)), model


def _fingerprint(corpus: Corpus) -> str:
    return hashlib.sha256(f"{corpus.train}\0{corpus.valid}".encode()).hexdigest()


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
