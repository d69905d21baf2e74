"""The encoder: it reads the source once and leaves what the decoder attends to, and a state to start from."""

from typing import Any, NamedTuple, cast

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

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
