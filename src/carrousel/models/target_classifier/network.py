"""TD-LSTM and TC-LSTM: what is said of a target, from the words up to it on either side."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.heads.pooling import last, mean
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.classifier.inputs import TextInput, input_of_config
from carrousel.models.classifier.rows import Batch, Encoded, Layout, Rows
from carrousel.models.classifier.scoring import ScoringNetwork, rows_of_labels
from carrousel.models.classifier.sequences import Label, Labelled
from carrousel.models.classifier.targets import targets_of
from carrousel.models.continued import NamedRows
from carrousel.models.encoder import Encoder, numbered
from carrousel.models.target_classifier.marked import Marked
from carrousel.models.transfer import Reading

SIZES = ("hidden_size", "num_layers", "residual", "dropout", "forget_bias", "sizes")
"""Settings that go to both encoders as they are."""
RIGHT = 1_000  # so that the right encoder draws other random numbers than the left one


class TargetClassifierNetwork(ScoringNetwork):
    """Scores of classes for a target in a text.

        left = last output of LSTM_L over  w_1 .. w_{l-1}, target
        right = last output of LSTM_R over  w_n .. w_{r+1}, target backwards
        scores = V [left; right] + b

    With the target connection every embedding is joined with the mean of the target's embeddings.

    Args:
        read: the words.
        labels: the classes.
        cell: a Cell, or the name or alias of one in the catalogue.
        target_connection: TC-LSTM; if not, TD-LSTM.
        num_masks: dropout masks over which probabilities are averaged; 0 for one pass without dropout.
        columns: of a table: text, target, label.
        sizes: what both `Encoder`s take: hidden_size, num_layers, residual, dropout, forget_bias, sizes.

    Source: Tang, Qin, Feng and Liu, "Effective LSTMs for Target-Dependent Sentiment Classification", COLING 2016,
    arXiv:1512.01100.
    Differs: any cell, several layers, dropout.
    """

    kind = "target-classifier"

    def __init__(
        self,
        read: TextInput,
        labels: Sequence[Any],
        *,
        cell: str | Cell = "lstm",
        target_connection: bool = True,
        num_masks: int = 0,
        columns: Mapping[str, Any] | None = None,
        **sizes: Any,
    ) -> None:
        super().__init__()
        self.read, self.labels, self.target_connection = read, tuple(labels), target_connection
        self.num_masks, self.columns, self.sizes = num_masks, dict(columns or {}), sizes
        input_size = read.size * (2 if target_connection else 1)
        self.left = Encoder(cell, input_size, **sizes)
        self.right = Encoder(cell, input_size, **sizes)
        self.output = nn.Linear(2 * self.left.output_size, len(self.labels))

    def forward(self, batch: Batch, draw: Draw) -> Float[Tensor, "B C"]:
        """As `ScoringNetwork.forward`; a row has three sequences: left with target, right with target, target."""
        found = [
            last(
                encoder(self._joined(batch, k, numbered(draw, k * RIGHT)), lengths, numbered(draw, k * RIGHT)), lengths
            )
            for k, (encoder, (_, lengths)) in enumerate(zip((self.left, self.right), batch.parts[:2], strict=True))
        ]
        return self.output(torch.cat(found, dim=-1))

    @property
    def layout(self) -> Layout:
        """As `ScoringNetwork.layout`."""
        return Layout((self.read.tokens.dtype,) * 3)

    def encoded(self, given: Labelled, where: str) -> Iterator[Encoded]:
        """As `ScoringNetwork.encoded`."""
        encode, targets = self.read.tokens.encode, targets_of(given, self.labels, False, where)
        for one, number in zip(cast(Sequence[Marked], given.sequences), targets, strict=True):
            left, target, right = (self.read.split(piece) for piece in one[:3])
            yield Encoded((encode([*left, *target]), encode([*target, *right][::-1]), encode(target)), number)

    def numbering(self) -> Mapping[str, Any]:
        """As `ScoringNetwork.numbering`."""
        return {**self.read.numbering(), "labels": self.labels}

    def said(self, rows: Rows, probabilities: Float64[np.ndarray, "N C"]) -> list[Label | tuple[Label, ...]]:
        """As `ScoringNetwork.said`."""
        return [self.labels[k] for k in probabilities.argmax(1)]

    def first_layer(self, batch: Batch) -> tuple[Recurrent, Float[Tensor, "T B D"], Sequence[str]]:
        """As `ScoringNetwork.first_layer`."""
        values, _ = batch.parts[0]
        return cast(Recurrent, self.left.layers[0]), self._joined(batch, 0, Draw(0)), self.read.words(values[:, 0])

    def reading(self) -> Reading:
        """As `Network.reading`: the left side reads forwards, the right one backwards."""
        left, right = ([cast(Recurrent, layer) for layer in side.layers] for side in (self.left, self.right))
        target = [f"target {k + 1}" for k in range(self.read.size)] if self.target_connection else []
        return Reading(left, self.read.embedding, self.read.tokens.strings, target, right)

    def named_rows(self) -> NamedRows:
        """As `Network.named_rows`."""
        return {**self.read.named_rows(), **rows_of_labels(self.labels)}

    def config(self) -> dict[str, Any]:
        """As `Network.config`."""
        return {
            "cell": self.left.cell.name,
            "labels": list(self.labels),
            "target_connection": self.target_connection,
            "num_masks": self.num_masks,
            "columns": self.columns,
            **self.sizes,
            "read": self.read.config(),
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> Self:
        """As `Network.of_config`."""
        given = {name: config[name] for name in ("target_connection", "num_masks", "columns", *SIZES)}
        read = cast(TextInput, input_of_config(config["read"]))
        return cls(read, config["labels"], cell=cell or config["cell"], **given)

    def _joined(self, batch: Batch, k: int, draw: Draw) -> Float[Tensor, "T B D"]:
        """The words of a side, with the target's mean where it is wanted."""
        x = self.read(batch.parts[k][0], numbered(draw, -1))
        if not self.target_connection:
            return x
        target, lengths = batch.parts[2]
        center = mean(self.read(target, numbered(draw, -2)), lengths)
        return torch.cat([x, center.expand(len(x), *center.shape)], dim=-1)
