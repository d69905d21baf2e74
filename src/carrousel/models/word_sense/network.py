"""The sense of a word, from the words before it and after it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.heads.pooling import last
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.classifier.inputs import EDGE, TextInput, input_of_config
from carrousel.models.classifier.rows import Batch, Encoded, Layout, Rows
from carrousel.models.classifier.scoring import ScoringNetwork, rows_of_labels
from carrousel.models.classifier.sequences import Label, Labelled
from carrousel.models.continued import NamedRows
from carrousel.models.encoder import Encoder, RowDropout, numbered
from carrousel.models.target_classifier.marked import Marked
from carrousel.models.target_classifier.network import RIGHT, SIZES
from carrousel.models.transfer import Reading
from carrousel.models.word_sense.inventory import Inventory

UNKNOWN_SENSE = "?"
"""What is said of a lemma without senses."""


class WordSenseNetwork(ScoringNetwork):
    """Scores of the senses that a word's lemma can have.

        left = last output of LSTM_L over  <edge>, w_1 .. w_{n-1}
        right = last output of LSTM_R over  <edge>, w_N .. w_{n+1}
        a = relu(A [left; right] + c)                        shared by all lemmas
        scores = V_k a + b_k,   for the senses k of the lemma

    A lemma that was not in the training data gets its first sense, as probable as first senses were in the training data.

    Args:
        read: the words.
        inventory: the senses of each lemma.
        first_share: part of the training data in which the first sense is right.
        cell: a Cell, or the name or alias of one in the catalogue.
        feature_size: units of the shared layer.
        num_masks: dropout masks over which probabilities are averaged; 0 for one pass without dropout.
        columns: of a table: text, target, lemma, label.
        sizes: what both `Encoder`s take: hidden_size, num_layers, residual, dropout, forget_bias, sizes.

    Source: Kågebäck and Salomonsson, "Word Sense Disambiguation using a Bidirectional LSTM", 2016, arXiv:1606.03568.
    Differs: an edge word begins each side, so that a side can be empty; the shared layer is rectified, and one matrix holds the
    senses of all lemmas, so that lemmas can share a sense.
    """

    kind = "word-sense"
    meaningful = ("accuracy", "log_loss")  # F1 of places in a list of candidates would mean nothing

    def __init__(
        self,
        read: TextInput,
        inventory: Inventory,
        first_share: float,
        *,
        cell: str | Cell = "lstm",
        feature_size: int = 200,
        num_masks: int = 0,
        columns: Mapping[str, Any] | None = None,
        **sizes: Any,
    ) -> None:
        super().__init__()
        self.read, self.inventory, self.first_share = read, inventory, first_share
        self.labels = tuple(inventory.senses)
        self.num_masks, self.columns, self.sizes = num_masks, dict(columns or {}), sizes
        self.left = Encoder(cell, read.size, **sizes)
        self.right = Encoder(cell, read.size, **sizes)
        self.shared = nn.Linear(2 * self.left.output_size, feature_size)
        self.dropout = RowDropout(sizes.get("dropout", 0.0), "shared")
        self.output = nn.Linear(feature_size, len(self.labels))
        table, is_there = inventory.table()
        learned = [lemma in inventory.learned for lemma in inventory.lemmas]
        self.register_buffer("table", torch.from_numpy(table), persistent=False)
        self.register_buffer("is_there", torch.from_numpy(is_there), persistent=False)
        self.register_buffer("is_learned", torch.tensor([*learned, False]), persistent=False)

    def forward(self, batch: Batch, draw: Draw) -> Float[Tensor, "B C"]:
        """As `ScoringNetwork.forward`: a score for each candidate of the lemma, -inf for the places that hold none.

        A row has two sequences, left and right, and one number, that of the lemma.
        """
        sides = [
            self._encoded(encoder, part, numbered(draw, k))
            for encoder, part, k in zip((self.left, self.right), batch.parts, (0, RIGHT), strict=True)
        ]
        features = self.dropout(torch.relu(self.shared(torch.cat(sides, dim=-1))), draw)
        lemmas = batch.numbers[:, 0]
        candidates = self.get_buffer("table")[lemmas]
        scores = torch.einsum("bf,bkf->bk", features, self.output.weight[candidates]) + self.output.bias[candidates]
        is_learned = self.get_buffer("is_learned")[lemmas]
        scores = torch.where(is_learned[:, None], scores, self._first_senses(lemmas).to(scores.dtype))
        return scores.masked_fill(~self.get_buffer("is_there")[lemmas], -math.inf)

    @property
    def layout(self) -> Layout:
        """As `ScoringNetwork.layout`; the number is that of the lemma."""
        return Layout((self.read.tokens.dtype,) * 2, num_numbers=1)

    def encoded(self, given: Labelled, where: str) -> Iterator[Encoded]:
        """As `ScoringNetwork.encoded`; a sense that is no candidate of its lemma gets the number -1, which is never right."""
        split, encode = self.read.split, self.read.tokens.encode
        numbers = {lemma: k for k, lemma in enumerate(self.inventory.lemmas)}
        known = given.labels or [None] * len(given)
        for one, sense in zip(cast(Sequence[Marked], given.sequences), known, strict=True):
            sides = encode([EDGE, *split(one.left)]), encode([EDGE, *split(one.right)[::-1]])
            senses = list(self.inventory.candidates.get(one.lemma, ()))
            target = 0 if sense is None else senses.index(sense) if sense in senses else -1
            yield Encoded(sides, target, (numbers.get(one.lemma, len(numbers)),))

    def numbering(self) -> Mapping[str, Any]:
        """As `ScoringNetwork.numbering`."""
        return {**self.read.numbering(), "inventory": self.inventory.to_dict()}

    def said(self, rows: Rows, probabilities: Float64[np.ndarray, "N C"]) -> list[Label | tuple[Label, ...]]:
        """As `ScoringNetwork.said`; "?" for a lemma without senses."""
        lemmas, chosen = self.inventory.lemmas, probabilities.argmax(1)
        return [
            self.inventory.candidates[lemmas[lemma]][int(k)] if lemma < len(lemmas) else UNKNOWN_SENSE
            for lemma, k in zip(rows.numbers[:, 0], chosen, strict=True)
        ]

    def first_senses(self, rows: Rows) -> Float64[np.ndarray, "N C"]:
        """Probabilities that the first sense has for every row, seen or not."""
        scores = self._first_senses(torch.from_numpy(rows.numbers[:, 0])).double()
        return scores.masked_fill(~self.get_buffer("is_there")[rows.numbers[:, 0]], -math.inf).softmax(-1).numpy()

    def first_layer(self, batch: Batch) -> tuple[Recurrent, Float[Tensor, "T B D"], Sequence[str]]:
        """As `ScoringNetwork.first_layer`."""
        values, _ = batch.parts[0]
        return cast(Recurrent, self.left.layers[0]), self.read(values, Draw(0)), self.read.words(values[:, 0])

    def reading(self) -> Reading:
        """As `Network.reading`: the left side reads forwards, the right one backwards."""
        left, right = ([cast(Recurrent, layer) for layer in side.layers] for side in (self.left, self.right))
        return Reading(left, self.read.embedding, self.read.tokens.strings, backwards=right)

    def named_rows(self) -> NamedRows:
        """As `Network.named_rows`."""
        return {**self.read.named_rows(), **rows_of_labels(self.labels, "senses")}

    def config(self) -> dict[str, Any]:
        """As `Network.config`."""
        return {
            "cell": self.left.cell.name,
            "first_share": self.first_share,
            "feature_size": self.shared.out_features,
            "num_masks": self.num_masks,
            "columns": self.columns,
            **self.sizes,
            "inventory": self.inventory.to_dict(),
            "read": self.read.config(),
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> Self:
        """As `Network.of_config`."""
        given = {name: config[name] for name in ("first_share", "feature_size", "num_masks", "columns", *SIZES)}
        read = cast(TextInput, input_of_config(config["read"]))
        return cls(read, Inventory.from_dict(config["inventory"]), cell=cell or config["cell"], **given)

    def _encoded(self, encoder: Encoder, part: tuple[Tensor, Tensor], draw: Draw) -> Float[Tensor, "B O"]:
        ids, lengths = part
        return last(encoder(self.read(ids, numbered(draw, -1)), lengths, draw), lengths)

    def _first_senses(self, lemmas: Tensor) -> Float[Tensor, "B C"]:
        """Logarithms of what the first sense and each other sense of a lemma get without a look at the text."""
        is_there = self.get_buffer("is_there")[lemmas]
        num_others = (is_there.sum(1, keepdim=True) - 1).clamp(min=1)
        others = ((1 - self.first_share) / num_others).log().expand(is_there.shape).clone()
        others[:, 0] = math.log(self.first_share)
        return others
