"""The kind `autoencoder`: windows of series, the error with which they are written again, and what counts as an anomaly."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from heapq import nlargest
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from carrousel.data.batches import BatchesOf, Bucketed
from carrousel.data.far import FAR, FarValueWarning, far_values
from carrousel.data.faults import tell_skipped
from carrousel.data.guessing import Guess, guess
from carrousel.data.moments import moments
from carrousel.data.stretches import BLOCK
from carrousel.errors import ConfigError, DataError, counted
from carrousel.heads.steps import valid_steps
from carrousel.models.autoencoder.baselines import baselines
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.reading import read_series
from carrousel.models.autoencoder.scores import BATCH_SIZE, errors_of, figures_of, scores_of, threshold_of
from carrousel.models.autoencoder.series import Series, batch_of, of_objects, windows_of
from carrousel.models.autoencoder.settings import AutoencoderSettings
from carrousel.models.encoder import draw_for
from carrousel.models.gates import gates_of
from carrousel.models.options import NUMBER, check_options
from carrousel.models.samples import sample_files
from carrousel.train.kind import Column, Example, Figures, Kind, Prepared
from carrousel.train.loop import Loss
from carrousel.train.to_device import to_device

HELD_OUT = 0.1
NUM_EXAMPLES = 20


class _Drawn(NamedTuple):
    """Windows to learn from, and their numbers."""

    rows: Int64[np.ndarray, " B"]
    x: Float32[np.ndarray, "T B D"]  # zeros past the end of one
    lengths: Int64[np.ndarray, " B"]


class AutoencoderKind(Kind[AutoencoderSettings]):
    """Series through a bottleneck and back."""

    name = "autoencoder"
    about = "series written again from one state: errors find anomalies, and the layers start other models"
    Settings = AutoencoderSettings

    def prepare(self, settings: AutoencoderSettings, where: str = "train", data: Any = None) -> Prepared:
        """As `Kind.prepare`; `data` is a list of arrays (T, D) or (T,)."""
        if data is None and settings.data.train is None:
            raise ConfigError(f"{where}: data.train is null, expected the path of a file. Set it: data.train=FILE")
        wanted, store = settings.data, None if settings.data.store is None else Path(settings.data.store)

        def read(path: str, part: str) -> Series:
            place = None if store is None else store / part
            return read_series(Path(path), wanted, where, skip_bad=wanted.skip_bad, store=place)

        everything = of_objects(data, where) if data is not None else read(str(wanted.train), "train")
        if data is None and wanted.valid is not None:
            train, valid = everything, read(wanted.valid, "valid")
        else:
            train, valid = everything.split(HELD_OUT, wanted.window, where)
        if train.labels is not None and all(bool(np.all(marks)) for marks in train.labels):
            raise DataError(
                f"{where}: {train.source}: all {train.num_steps:,} steps to learn from are marked as anomalies, expected some that "
                f"are not: the threshold is fitted on them. Check the column {wanted.label!r}, or leave data.label out."
            )
        network = _network(settings, train)
        windows = windows_of(train, wanted.window, wanted.stride)
        batches = Bucketed(windows[:, 2], settings.train.batch_size, settings.train.seed)
        notes: dict[str, Any] = {"skipped": everything.report} if everything.report else {}
        if far := _far_values(train, network):
            warnings.warn(f"{where}: {far}", FarValueWarning, stacklevel=2)
            notes["far_values"] = far
        channels = counted(len(everything.channels), "channel")
        return Prepared(
            network=network,
            batches=BatchesOf(batches, lambda rows, _: _Drawn(rows, *batch_of(train, windows[rows]))),
            loss=lambda net, drawn, carried: _loss(net, train, windows[drawn.rows], drawn),
            evaluate=lambda net: _measured(net, train, valid, settings.anomaly.quantile),
            monitor="mse",
            is_higher_better=False,
            name=self.name if data is not None else Path(str(wanted.train)).stem,
            source=everything.source,
            unit="steps",
            loss_unit="squared error",
            fingerprint=_fingerprint(train, valid),
            size=f"{everything.num_steps:,} steps of {channels}; {valid.num_steps:,} are held out",
            baselines=lambda: baselines(network, train, valid, settings.model.hidden_size, settings.anomaly.quantile),
            examples=lambda net: _worst(net, valid),
            columns=lambda drawn: _columns(network, train, windows[drawn.rows]),
            ids=lambda drawn: [_place(train, k, start) for k, start, _ in windows[drawn.rows].tolist()],
            gates=lambda net: _gates(net, valid),
            store=everything.told,
            notes=notes,
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> AutoencoderNetwork:
        """As `Kind.load`."""
        return AutoencoderNetwork.from_pretrained(folder, where=where)

    def evaluate(
        self, network: AutoencoderNetwork, data: Any, where: str = "evaluate", *, skip_bad: bool = False
    ) -> Figures:
        """The reconstruction error of series, and where anomalies are marked, how well the errors find them.

        Where they are, `mse` is that of the steps that are not marked.
        """
        series = self._given(network, data, where, is_labelled=True, skip_bad=skip_bad)
        tell_skipped(series.report)
        return _figures(network, series)

    def predict(
        self,
        network: AutoencoderNetwork,
        data: Any,
        where: str = "predict",
        *,
        skip_bad: bool = False,
        **options: Any,
    ) -> Iterator[str]:
        """A line for each step: series, number of the step, score, and 1 where it is above the threshold.

        Where malformed rows of a file are skipped, the steps are those that are left, and a fifth column has the number of each
        step's line in the file.

        Args:
            options: threshold, in place of the one fitted on the training data.
        """
        check_options(options, {"threshold": NUMBER}, where)
        threshold = float(options.get("threshold", network.get_buffer("threshold")))
        series = self._given(network, data, where, is_labelled=False, skip_bad=skip_bad)
        lines = series.lines if skip_bad else None
        for k, (name, scores) in enumerate(zip(series.names, scores_of(network, series), strict=True)):
            for begin in range(0, len(scores), BLOCK):
                some = slice(begin, begin + BLOCK)
                places = repeat("") if lines is None else (f"\t{line}" for line in lines[k][some].tolist())
                for step, (score, place) in enumerate(zip(scores[some].tolist(), places, strict=False), begin):
                    yield f"{name}\t{step}\t{score:.6g}\t{int(score > threshold)}{place}"
        tell_skipped(series.report)

    def form(self, settings: AutoencoderSettings, path: Path, where: str = "check") -> Guess:
        """As `Kind.form`."""
        data = settings.data
        columns = data.columns or [
            name for name in guess(path, self.name, where).columns if name not in (data.series, data.label)
        ]
        return Guess("numbers", self.name, tuple(columns))

    def starter(self) -> Mapping[str, bytes]:
        """As `Kind.starter`."""
        return sample_files("autoencoder")

    def _given(
        self, network: AutoencoderNetwork, data: Any, where: str, *, is_labelled: bool, skip_bad: bool
    ) -> Series:
        if not isinstance(data, str | Path):
            return of_objects(data, where)
        return read_series(Path(data), network.columns, where, is_labelled=is_labelled, skip_bad=skip_bad)


def _network(settings: AutoencoderSettings, train: Series) -> AutoencoderNetwork:
    means, deviations = moments(train.values.blocks)
    model = settings.model
    sizes: dict[str, Any] = {**model.model_dump(exclude={"sizes"}), **model.sizes}
    return AutoencoderNetwork(
        means.tolist(),
        np.where(deviations > 0, deviations, 1.0).tolist(),
        settings.data.window,
        smoothing=settings.anomaly.smoothing or max(1, settings.data.window // 2),
        columns={"columns": list(train.channels), "series": settings.data.series, "label": settings.data.label},
        **sizes,
    )


def _tensors(network: AutoencoderNetwork, series: Series, windows: Int64[np.ndarray, "B 3"]) -> tuple[Tensor, Tensor]:
    x, lengths = batch_of(series, windows)
    return network.standardised(to_device(torch.from_numpy(x), next(network.parameters()).device)), torch.from_numpy(
        lengths
    )


def _loss(network: AutoencoderNetwork, series: Series, windows: Int64[np.ndarray, "B 3"], drawn: _Drawn) -> Loss:
    """Mean square of the reconstruction error, and with a horizon as much weight on what follows the window."""
    x, lengths = torch.from_numpy(drawn.x), torch.from_numpy(drawn.lengths)
    z = network.standardised(to_device(x, next(network.parameters()).device))
    written, predicted = network(z, lengths, draw_for(drawn.rows.tolist()))
    is_valid = valid_steps(len(z), lengths.to(z.device))
    loss = (written - z).square().mean(-1)[is_valid].mean()
    if network.horizon:
        future, is_there = _future(network, series, windows)
        if is_there.any():
            loss = loss + (predicted - future).square().mean(-1)[is_there].mean()
    return Loss(loss, None, int(lengths.sum()))


def _future(network: AutoencoderNetwork, series: Series, windows: Int64[np.ndarray, "B 3"]) -> tuple[Tensor, Tensor]:
    """The steps after each window, standardised, and which of them exist."""
    after = np.zeros((network.horizon, len(windows), len(network.means)), np.float32)
    is_there = np.zeros(after.shape[:2], bool)
    for b, (k, start, length) in enumerate(windows.tolist()):
        found = series.values[k][start + length : start + length + network.horizon]
        after[: len(found), b], is_there[: len(found), b] = found, True
    device = next(network.parameters()).device
    return network.standardised(to_device(torch.from_numpy(after), device)), to_device(
        torch.from_numpy(is_there), device
    )


def _measured(network: AutoencoderNetwork, train: Series, valid: Series, quantile: float) -> dict[str, float]:
    """Held-out figures, after the threshold was fitted on the training data; both are saved together."""
    threshold = threshold_of(errors_of(network, train), train, network.smoothing, quantile)
    network.get_buffer("threshold").fill_(threshold)
    return _figures(network, valid)


@torch.no_grad()
def _figures(network: AutoencoderNetwork, series: Series) -> dict[str, float]:
    threshold = float(network.get_buffer("threshold"))
    found = figures_of(errors_of(network, series), series, network.smoothing, threshold)
    if network.horizon:
        windows = windows_of(series, network.window, max(1, network.window // 2))
        total, count = 0.0, 0
        for begin in range(0, len(windows), BATCH_SIZE):
            some = windows[begin : begin + BATCH_SIZE]
            _, predicted = network(*_tensors(network, series, some))
            future, is_there = _future(network, series, some)
            errors = (predicted - future).square().mean(-1)[is_there]
            total, count = total + float(errors.sum()), count + errors.numel()
        found["prediction_mse"] = total / max(1, count)
    return found


def _worst(network: AutoencoderNetwork, series: Series) -> list[Example]:
    """The windows with the largest errors."""
    scores = scores_of(network, series)
    threshold = float(network.get_buffer("threshold"))
    scored = ((float(scores[k][start : start + length].max()), k, start, length) for k, start, length in (
        windows_of(series, network.window, network.window).tolist()))  # fmt: skip
    found: list[Example] = []
    for score, k, start, length in nlargest(NUM_EXAMPLES, scored, key=lambda one: one[0]):
        inside = scores[k][start : start + length]
        marked = "" if series.labels is None else f"{int(series.labels[k][start : start + length].sum())} marked steps"
        said = f"{int((inside > threshold).sum())} steps above the threshold, largest score {score:.4g}"
        found.append(Example(_place(series, k, start), marked, said, score))
    return found


def _far_values(series: Series, network: AutoencoderNetwork) -> str:
    """A sentence about values that are far from all others of their column; empty where there are none."""
    told = list[str]()
    for far in far_values(series.values, network.means, network.deviations):
        name = series.channels[far.column]
        told.append(
            f"{name} has {counted(far.number, 'value')}, the furthest {far.value:.4g} in {series.at(far.step)}, |z| = {far.z:.3g}"
        )
    if not told:
        return ""
    return (
        f"{series.source}: values more than {FAR} standard deviations from the others of their column: {'; '.join(told)}. "
        "Scaled by these, the others are nearly equal. Correct or leave out what is wrong."
    )


def _columns(network: AutoencoderNetwork, series: Series, windows: Int64[np.ndarray, "B 3"]) -> list[Column]:
    x, lengths = batch_of(series, windows)
    is_valid = np.arange(len(x))[:, None] < lengths
    return [
        Column(name, x[..., d][is_valid].tolist(), network.means[d], network.deviations[d])
        for d, name in enumerate(series.channels)
    ]


def _gates(network: AutoencoderNetwork, series: Series) -> dict[str, Any]:
    z, _ = _tensors(network, series, windows_of(series, network.window, network.window)[:1])
    return gates_of(network.encoder, z, [str(step) for step in range(len(z))])


def _place(series: Series, k: int, start: int) -> str:
    return f"{series.names[k]}, from step {series.first_steps[k] + start:,}"


def _fingerprint(*parts: Series) -> str:
    digest = hashlib.sha256()
    for series in parts:
        for block in series.values.blocks():
            digest.update(np.ascontiguousarray(block).data)
        digest.update(np.append(0, np.cumsum(series.values.lengths)).data)
    return digest.hexdigest()


KIND = AutoencoderKind()
