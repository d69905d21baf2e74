"""Recurrent layers over a whole sequence, one vector from them, and scores of classes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.data.kept import Kept
from carrousel.data.ragged import Ragged
from carrousel.errors import DataError
from carrousel.heads.pooling import Pooling, mean
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.classifier.inputs import SeriesInput, TextInput, input_of_config
from carrousel.models.classifier.rows import VALUES_AT_ONCE, Batch, Encoded, Layout, Rows
from carrousel.models.classifier.scoring import ScoringNetwork, rows_of_labels
from carrousel.models.classifier.sequences import Label, Labelled
from carrousel.models.classifier.targets import targets_of
from carrousel.models.continued import NamedRows
from carrousel.models.encoder import Encoder, RowDropout, numbered
from carrousel.models.transfer import Reading, mapped_names

SIZES = ("hidden_size", "num_layers", "bidirectional", "residual", "dropout", "forget_bias", "sizes")
"""Settings that go to the `Encoder` as they are."""


class ClassifierNetwork(ScoringNetwork):
    """Scores of classes for a text or a multivariate series.

        y_1 .. y_T = encoder(x_1 .. x_T)
        scores = V [pool(y); relu(A mean(x) + a)] + b

    Args:
        read: the input: `TextInput` or `SeriesInput`.
        labels: the classes.
        is_multi_label: whether several labels can be right for a sequence.
        cell: a Cell, or the name or alias of one in the catalogue.
        pooling: last, mean, max or attention.
        average_size: units of the layer over the mean of the inputs, A; 0 leaves it out.
        num_masks: dropout masks over which probabilities are averaged; 0 for one pass without dropout.
        columns: of a table: text, label, and label_separator, what stands between several labels.
        sizes: what the `Encoder` takes: hidden_size, num_layers, bidirectional, residual, dropout, forget_bias, sizes.

    Source: the layer over the mean ("deep vector averaging"): Longpre, Pradhan, Xiong and Socher, "A Way out of the Odyssey",
    2016, arXiv:1611.05104.
    """

    kind = "classifier"

    def __init__(
        self,
        read: TextInput | SeriesInput,
        labels: Sequence[Any],
        is_multi_label: bool = False,
        *,
        cell: str | Cell = "lstm",
        pooling: str = "last",
        average_size: int = 0,
        num_masks: int = 0,
        columns: Mapping[str, Any] | None = None,
        **sizes: Any,
    ) -> None:
        super().__init__()
        self.read, self.labels, self.is_multi_label = read, tuple(labels), is_multi_label
        self.average_size, self.num_masks, self.sizes, self.columns = (
            average_size,
            num_masks,
            sizes,
            dict(columns or {}),
        )
        self.encoder = Encoder(cell, read.size, **sizes)
        self.pooling = Pooling(pooling, self.encoder.output_size, self.encoder.directions)
        self.average = nn.Linear(read.size, average_size) if average_size else None
        self.average_dropout = RowDropout(sizes.get("dropout", 0.0), "average")
        self.output = nn.Linear(self.encoder.output_size + average_size, len(self.labels))

    def forward(self, batch: Batch, draw: Draw) -> Float[Tensor, "B C"]:
        """As `ScoringNetwork.forward`; a row has one sequence: numbers of words, or channels."""
        ((values, lengths),) = batch.parts
        x = self.read(values, numbered(draw, -1))
        features = self.pooling(self.encoder(x, lengths, draw), lengths)
        if self.average is not None:
            averaged = torch.relu(self.average(mean(x, lengths)))
            features = torch.cat([features, self.average_dropout(averaged, draw)], dim=-1)
        return self.output(features)

    @property
    def layout(self) -> Layout:
        """As `ScoringNetwork.layout`; series are taken as they are."""
        dtype = self.read.tokens.dtype if isinstance(self.read, TextInput) else np.float32
        return Layout((dtype,), len(self.labels) if self.is_multi_label else 0)

    def encoded(self, given: Labelled, where: str) -> Iterator[Encoded]:
        """As `ScoringNetwork.encoded`, of texts."""
        read = cast(TextInput, self.read)
        if not given.is_text:
            raise DataError(
                f"{where}: {given.source} has series, expected texts, which the network was trained on. Give texts."
            )
        targets = targets_of(given, self.labels, self.is_multi_label, where)
        for k, (text, target) in enumerate(zip(given.sequences, targets, strict=True)):
            ids = read.tokens.encode(read.split(cast(str, text)))
            if not len(ids):
                raise DataError(f"{where}: {given.places[k]} has no words, expected at least 1. Leave it out.")
            yield Encoded((ids,), target)

    def numbering(self) -> Mapping[str, Any]:
        """As `ScoringNetwork.numbering`."""
        return {**cast(TextInput, self.read).numbering(), "labels": self.labels, "has_several": self.is_multi_label}

    def rows(self, given: Labelled, where: str) -> Rows:
        """As `ScoringNetwork.rows`; series stay where they are."""
        if isinstance(self.read, TextInput):
            return super().rows(given, where)
        series = _checked(self.read, given, where)
        targets = [
            self.layout.target(Encoded((), target))
            for target in targets_of(given, self.labels, self.is_multi_label, where)
        ]
        return Rows((series,), np.concatenate(targets), given.places, np.zeros((len(given), 0), np.int64))

    def kept_rows(
        self, given: Labelled, where: str, folder: Path | None, of: str, size: int
    ) -> tuple[Rows, list[Kept]]:
        """As `ScoringNetwork.kept_rows`; series are kept already."""
        if isinstance(self.read, TextInput):
            return super().kept_rows(given, where, folder, of, size)
        return self.rows(given, where), []

    def said(self, rows: Rows, probabilities: Float64[np.ndarray, "N C"]) -> list[Label | tuple[Label, ...]]:
        """As `ScoringNetwork.said`."""
        if self.is_multi_label:
            return [tuple(self.labels[k] for k in np.flatnonzero(row >= 0.5)) for row in probabilities]
        return [self.labels[k] for k in probabilities.argmax(1)]

    def first_layer(self, batch: Batch) -> tuple[Recurrent, Float[Tensor, "T B D"], Sequence[str]]:
        """As `ScoringNetwork.first_layer`."""
        values, _ = batch.parts[0]
        return cast(Recurrent, self.encoder.layers[0]), self.read(values, Draw(0)), self.read.words(values[:, 0])

    def reading(self) -> Reading:
        """As `Network.reading`."""
        layers = [cast(Recurrent, layer) for layer in self.encoder.layers]
        if isinstance(self.read, TextInput):
            return Reading(layers, self.read.embedding, self.read.tokens.strings)
        return Reading(layers, inputs=() if self.read.map is None else mapped_names(self.kind, self.read.size))

    def named_rows(self) -> NamedRows:
        """As `Network.named_rows`."""
        words: NamedRows = {} if isinstance(self.read, SeriesInput) else self.read.named_rows()
        return {**words, **rows_of_labels(self.labels)}

    def config(self) -> dict[str, Any]:
        """As `Network.config`."""
        return {
            "cell": self.encoder.cell.name,
            "labels": list(self.labels),
            "is_multi_label": self.is_multi_label,
            "pooling": self.pooling.name,
            "average_size": self.average_size,
            "num_masks": self.num_masks,
            "columns": self.columns,
            **self.sizes,
            "read": self.read.config(),
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> Self:
        """As `Network.of_config`."""
        names = ("is_multi_label", "pooling", "average_size", "num_masks", "columns", *SIZES)
        given = {name: config[name] for name in names}
        return cls(input_of_config(config["read"]), config["labels"], cell=cell or config["cell"], **given)


def _checked(read: SeriesInput, given: Labelled, where: str) -> Ragged:
    if not isinstance(given.sequences, Ragged):
        raise DataError(
            f"{where}: {given.source} has texts, expected series, which the network was trained on. Give series."
        )
    num_channels = given.sequences.values.shape[1]
    if num_channels != len(read.means):
        raise DataError(
            f"{where}: {given.source} has {num_channels} channels, expected {len(read.means)}, as the network was trained on. "
            "Give the same channels."
        )
    _refuse_gaps(given, read.missing, where)
    return given.sequences


def _refuse_gaps(given: Labelled, missing: str, where: str) -> None:
    """Refuse infinite values, and NaN unless it stands for a missing value.

    Raises:
        DataError: there is one; its place is named.
    """
    assert isinstance(given.sequences, Ragged)
    values = given.sequences.values
    at_once = max(1, VALUES_AT_ONCE // values.shape[1])
    for begin in range(0, len(values), at_once):
        some = values[begin : begin + at_once]
        is_bad = ~np.isfinite(some) if missing == "refuse" else np.isinf(some)
        if is_bad.any():
            step, channel = (int(k[0]) for k in np.nonzero(is_bad))
            raise _gap(given, given.sequences, begin + step, channel, where)


def _gap(given: Labelled, series: Ragged, step: int, channel: int, where: str) -> DataError:
    row = int(np.searchsorted(series.offsets, step, side="right")) - 1
    value, step_of_row = series.values[step, channel], step - int(series.offsets[row])
    return DataError(
        f"{where}: {given.places[row]} has {value} at step {step_of_row:,}, channel {channel}, expected finite numbers. "
        + ("Fill it in, or set data.missing=mean." if np.isnan(value) else "Correct it.")
    )
