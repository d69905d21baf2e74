"""The encoder: it reads the source once and leaves what the decoder attends to, and a state to start from."""

from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carrousel.errors import ConfigError
from carrousel.heads.attention import source_steps
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.layers.stack import reverse
from carrousel.models.encoder import StepDropout
from carrousel.models.seq2seq.residual import Layers


class Memory(NamedTuple):
    """What was read, in the order of the source."""

    values: Float[Tensor, "source B E"]  # the encoder's outputs
    keys: Float[Tensor, "source B K"]  # what the decoder's queries are compared with
    inputs: Float[Tensor, "source B D"]  # the embedded units
    is_valid: Bool[Tensor, "source B"]

    def select(self, rows: Int[Tensor, " rows"]) -> "Memory":
        """The memory of these rows, in this order."""
        return Memory(*(part.index_select(1, rows) for part in self))


class Encoder(nn.Module):
    """Embedding and recurrent layers over a source.

    Args:
        num_units: of the source's vocabulary.
        recurrent: layers of any cell, time first, whose input size is that of an embedding.
        dropout: probability with which features of embeddings and outputs are zeroed while training.
        is_reversed: read the valid steps of each source from the last to the first; outputs are put in order again.
        repeats: steps in which each unit is read, one after the other.
    """

    def __init__(self, num_units: int, recurrent: Layers, dropout: float, is_reversed: bool, repeats: int = 1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_units, recurrent.input_size)
        self.recurrent, self.is_reversed, self.repeats = recurrent, is_reversed, repeats
        self.read_dropout, self.written_dropout = StepDropout(dropout, "read"), StepDropout(dropout, "written")

    def forward(
        self, source: Int[Tensor, "source B"], lengths: Int[Tensor, " B"], draw: Draw | None = None
    ) -> tuple[Memory, Any]:
        """The memory, its keys being its values, and the state after the last step read.

        Args:
            draw: the random numbers of dropout, which is on while training; when left out, torch's own.
        """
        x, lengths = self.read(source, draw), lengths * self.repeats
        y, state = self.recurrent(reverse(x, lengths) if self.is_reversed else x, lengths=lengths, draw=draw)
        y = self.written_dropout(reverse(y, lengths) if self.is_reversed else y, draw)
        return Memory(y, y, x, source_steps(len(x), lengths)), state

    def read(self, source: Int[Tensor, "source B"], draw: Draw | None = None) -> Float[Tensor, "T B D"]:
        """What the recurrent layers read."""
        return self.read_dropout(self.embedding(source), draw).repeat_interleave(self.repeats, 0)

    @property
    def first_layers(self) -> Recurrent:
        """The recurrent layers, or the first of a residual stack."""
        return self.recurrent if isinstance(self.recurrent, Recurrent) else cast(Recurrent, self.recurrent.layers[0])


class Bridge(nn.Module):
    """The decoder's first state from the encoder's last.

    Args:
        encoder, decoder: layers of the same cell, size and number; the encoder's may go in two directions.
        is_learned: map the vectors of both directions by a matrix for each field of the state, which starts as their mean;
            matrices of a state, and vectors when it is not learned, are always the mean.

    Raises:
        ConfigError: a field of the state has another shape in the encoder than in the decoder.
    """

    def __init__(self, encoder: Layers, decoder: Layers, is_learned: bool) -> None:
        super().__init__()
        shapes, wanted = (each.cell.state_shapes(each.layer_sizes[0]) for each in (encoder, decoder))
        for name, shape in shapes.items():
            if shape != wanted[name]:
                raise ConfigError(
                    f"seq2seq: state {name} of {encoder.cell.name} has shape {shape} in the encoder and {wanted[name]} in the "
                    "decoder, expected one shape to hand it over. Set model.bridge=none, with attention."
                )
        self.directions, self.maps = encoder.directions, nn.ModuleDict()
        for name, shape in shapes.items():
            if is_learned and len(shape) == 1:
                mapped = nn.Linear(shape[0] * self.directions, shape[0])
                with torch.no_grad():
                    mapped.weight.copy_(torch.eye(shape[0]).repeat(1, self.directions) / self.directions)
                    nn.init.zeros_(mapped.bias)
                self.maps[name] = mapped

    def forward(self, state: Any) -> Any:
        """The cell's State, every field (layers, B, ...), from one with (layers·directions, B, ...)."""
        return type(state)(*(self._bridged(name, field) for name, field in state._asdict().items()))

    def _bridged(self, name: str, field: Float[Tensor, "LN B ..."]) -> Float[Tensor, "L B ..."]:
        halves = [field[direction :: self.directions] for direction in range(self.directions)]
        if name in self.maps:
            return self.maps[name](torch.cat(halves, -1))
        return torch.stack(halves).mean(0)
