"""What networks of sequence to sequence share: vocabularies, batches, many sources at once, the way to a folder and back."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self, cast

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.data.batches import pad
from carrousel.data.tokens import Tokens
from carrousel.init import forget_bias_for
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.continued import Named, NamedRows
from carrousel.models.network import Network
from carrousel.models.seq2seq.decoder import BOUNDARY
from carrousel.models.seq2seq.encoder import Encoder
from carrousel.models.seq2seq.residual import Layers, ResidualStack
from carrousel.models.seq2seq.settings import DecodingSettings, Seq2SeqModelSettings
from carrousel.models.seq2seq.units import SourceUnit, TargetUnit
from carrousel.models.transfer import Reading
from carrousel.train.to_device import to_device

BATCH_SIZE = 256  # sources translated side by side


class PairBatch(NamedTuple):
    """Pairs side by side; what lies past a row's length means nothing."""

    source: Int[Tensor, "source B"]
    source_lengths: Int[Tensor, " B"]
    read: Int[Tensor, "T B"]  # the boundary, then the target
    written: Int[Tensor, "T B"]  # the target, then the boundary
    lengths: Int[Tensor, " B"]  # of the target and one boundary
    number: int  # of the batch, through all epochs
    rows: Sequence[int]  # numbers of the pairs


class Translation(NamedTuple):
    """A target that a network wrote."""

    units: tuple[str, ...]
    log_prob: float  # in nats
    score: float  # what targets are ranked by


class Search(NamedTuple):
    """How targets are looked for."""

    beam: int
    n_best: int
    length_penalty: float


class Seq2SeqNetwork(Network):
    """P(target | source). `of_config` and `from_pretrained` give an `EncoderDecoder` or a `CtcNetwork`, as the settings say.

    Args:
        source, target: vocabularies; the target's is empty where positions are written.
        units: what sources and targets are made of.
        model: sizes and parts.
        decoding: how targets are written; its `max_length` is a number here.
        cell: the cell itself, where it is not in the catalogue.
    """

    kind = "seq2seq"
    encoder: Encoder

    def __init__(
        self,
        source: Tokens,
        target: Tokens,
        units: tuple[SourceUnit, TargetUnit],
        model: Seq2SeqModelSettings,
        decoding: DecodingSettings,
        cell: Cell | None = None,
    ) -> None:
        super().__init__()
        self.source, self.target, self.units = source, target, units
        self.model, self.decoding = model, decoding
        self.cell = cell or find(model.cell)
        self.build()

    @abstractmethod
    def build(self) -> None:
        """Make the layers, the encoder among them, as the settings say."""

    @abstractmethod
    def forward(self, batch: PairBatch, gold_share: float = 1.0, draw: Draw | None = None) -> Float[Tensor, ""]:
        """The loss: nats per unit written, the boundary of each target among them, the mean over the batch.

        Args:
            batch: pairs.
            gold_share: probability with which a step reads the right unit (scheduled sampling).
            draw: the random numbers of dropout and of scheduled sampling; when left out, torch's own.
        """

    @abstractmethod
    def write(
        self, source: Int[Tensor, "source B"], lengths: Int[Tensor, " B"], search: Search
    ) -> list[list[tuple[tuple[int, ...], float, float]]]:
        """For each row its best targets: numbers of units, log P in nats, and score."""

    def reading(self) -> Reading:
        """As `Network.reading`: of the encoder."""
        return Reading([self.encoder.first_layers], self.encoder.embedding, self.source.strings)

    def named_rows(self) -> NamedRows:
        """As `Network.named_rows`; the boundary, or the blank of CTC, is number 0 of what is written."""
        names = ["encoder.embedding.weight", *(f"decoder.{name}" for name in ("embedding.weight", "bias"))]
        names += [f"{place}output.{part}" for place in ("", "decoder.") for part in ("weight", "bias")]
        read = Named(f"source {self.units[0]}", self.source.strings)
        written = Named(f"target {self.units[1]}", self.target.strings, first=1)
        there = self.state_dict()
        return {name: read if name.startswith("encoder.") else written for name in names if name in there}

    def encoder_input(self, source: Sequence[str]) -> tuple[Recurrent, Float[Tensor, "T 1 D"]]:
        """The first recurrent layers of the encoder, and what they read of one source."""
        return self.encoder.first_layers, self.encoder.read(self.source_ids([source])[0])

    @torch.no_grad()
    def translate(
        self,
        sources: Sequence[Sequence[str]],
        beam: int | None = None,
        n_best: int = 1,
        length_penalty: float | None = None,
    ) -> list[list[Translation]]:
        """The best targets of each source, the best first, in evaluation mode; many sources at once, like lengths together.

        Args:
            sources: their units, at least one each.
            beam: hypotheses at a time; None for the settings' own, or `n_best` where that is more.
            n_best: targets for each source.
            length_penalty: None for the settings' own.

        Raises:
            ConfigError: a number out of range.
        """
        search = Search(
            max(self.decoding.beam, n_best) if beam is None else beam,
            n_best,
            self.decoding.length_penalty if length_penalty is None else length_penalty,
        )
        is_training, found = self.training, dict[int, list[Translation]]()
        self.eval()
        order = sorted(range(len(sources)), key=lambda k: len(sources[k]))
        for first in range(0, len(order), BATCH_SIZE):
            rows = order[first : first + BATCH_SIZE]
            written = self.write(*self.source_ids([sources[k] for k in rows]), search)
            for k, several in zip(rows, written, strict=True):
                found[k] = [Translation(self.units_of(ids), *values) for ids, *values in several]
        self.train(is_training)
        return [found[k] for k in range(len(sources))]

    def batch(
        self,
        sources: Sequence[Sequence[str]],
        targets: Sequence[Sequence[str]],
        number: int = 0,
        rows: Sequence[int] = (),
    ) -> PairBatch:
        """Pairs as tensors on the network's device."""
        source_ids = [self.source.encode(source).astype(np.int64) for source in sources]
        return self.batch_of_ids(source_ids, [self.target_ids(target) for target in targets], number, rows)

    def batch_of_ids(
        self,
        sources: Sequence[Integer[np.ndarray, "..."]],
        targets: Sequence[Integer[np.ndarray, "..."]],
        number: int = 0,
        rows: Sequence[int] = (),
    ) -> PairBatch:
        """The same from the numbers of units, as `source.encode` and `target_ids` give them."""
        ids, source_lengths = (to_device(torch.from_numpy(part), self.device) for part in pad(sources))
        edge = np.array([BOUNDARY])
        read, lengths = pad([np.concatenate([edge, one]) for one in targets])
        written, _ = pad([np.concatenate([one, edge]) for one in targets])
        read, written, lengths = (to_device(torch.from_numpy(part), self.device) for part in (read, written, lengths))
        return PairBatch(ids, source_lengths, read, written, lengths, number, rows)

    def source_ids(self, sources: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """The numbers of sources' units (source, B), and their lengths."""
        ids, lengths = pad([self.source.encode(source).astype(np.int64) for source in sources])
        return to_device(torch.from_numpy(ids), self.device), to_device(torch.from_numpy(lengths), self.device)

    def target_ids(self, target: Sequence[str]) -> Int[np.ndarray, " T"]:
        """The numbers of a target's units."""
        if self.units[1] == "positions":
            return np.array([int(position) for position in target], np.int64)
        return self.target.encode(target).astype(np.int64) + 1

    def units_of(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The units of these numbers."""
        if self.units[1] == "positions":
            return tuple(map(str, ids))
        return tuple(self.target.strings[number - 1] for number in ids)

    def forbid_unknown(self, logits: Float[Tensor, "*rows C"]) -> Float[Tensor, "*rows C"]:
        """The same scores, but -inf for `<unk>`, which is never written."""
        if self.target.unknown is None:
            return logits
        return logits.index_fill(-1, torch.tensor([self.target.unknown + 1], device=logits.device), -torch.inf)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def config(self) -> dict[str, Any]:
        """What `of_config` needs to build the network anew, as JSON can hold it."""
        return {
            "units": list(self.units),
            "model": self.model.model_dump(),
            "decoding": self.decoding.model_dump(),
            "source": self.source.to_dict(),
            "target": self.target.to_dict(),
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> Self:
        """A fresh network as `config` described it."""
        from carrousel.models.seq2seq.writers import writer_of  # which derive from this class

        source, target = Tokens.from_dict(config["source"]), Tokens.from_dict(config["target"])
        model = Seq2SeqModelSettings.model_validate({**config["model"], **({"cell": "lstm"} if cell else {})})
        decoding = DecodingSettings.model_validate(config["decoding"])
        units = cast(tuple[SourceUnit, TargetUnit], tuple(config["units"]))
        return cast(Self, writer_of(model)(source, target, units, model, decoding, cell))

    def layers(self, input_size: int, *, bidirectional: bool) -> Layers:
        """Fresh recurrent layers as the settings say."""
        model = self.model
        if not model.residual:
            return self._recurrent(input_size, model.num_layers, bidirectional)
        layers: list[Recurrent] = []
        for _ in range(model.num_layers):
            layers.append(self._recurrent(layers[-1].output_size if layers else input_size, 1, bidirectional))
        return ResidualStack(layers, model.dropout)

    def _recurrent(self, input_size: int, num_layers: int, bidirectional: bool) -> Recurrent:
        model = self.model
        return Recurrent(
            self.cell,
            input_size,
            model.hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=model.dropout,
            init=forget_bias_for(self.cell, model.forget_bias),
            **cast(dict[str, Any], model.sizes),
        )
