"""What keeps a language model from learning its training text by heart: dropout by place, and two terms of the loss.

Source: Merity, Keskar and Socher, "Regularizing and Optimizing LSTM Language Models" (AWD-LSTM), ICLR 2018, arXiv:1708.02182,
section 4; masks for a whole window: Gal and Ghahramani, NIPS 2016, arXiv:1512.05287.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.layers.draw import Draw
from carrousel.layers.masks import Mask, recurrent_dropout, variational_dropout, weight_drop, zoneout


@dataclass(frozen=True)
class Regularisation:
    """All of it is on while training only. Unless said otherwise, a mask is drawn anew for each window and is the same at
    all its steps.

    Attributes:
        word_dropout: probability with which a symbol's embedding is zero wherever it occurs in the batch.
        input_dropout: with which a feature of the embeddings is zero.
        between_dropout: with which an output that the next layer reads is zero.
        state_dropout: with which a unit of the state is zero where matrices read it.
        output_dropout: with which an output of the last layer is zero.
        weight_drop: with which a weight of a recurrent matrix is zero.
        recurrent_dropout: with which what is added to a cell state is zero, at each step anew (Semeniuta et al. 2016).
        zoneout: state field by name -> probability with which a unit keeps its value for a step (Krueger et al. 2017).
        ar: factor of the mean square of the last layer's outputs after dropout, added to the loss.
        tar: factor of the mean square of their change from step to step before dropout, added to the loss.
    """

    word_dropout: float = 0.0
    input_dropout: float = 0.0
    between_dropout: float = 0.0
    state_dropout: float = 0.0
    output_dropout: float = 0.0
    weight_drop: float = 0.0
    recurrent_dropout: float = 0.0
    zoneout: Mapping[str, float] = field(default_factory=dict[str, float])
    ar: float = 0.0
    tar: float = 0.0

    def masks(self) -> list[Mask]:
        """What the recurrent layers do of it."""
        found: list[Mask] = []
        if self.between_dropout or self.state_dropout:
            found.append(variational_dropout(between=self.between_dropout, recurrent=self.state_dropout))
        if self.weight_drop:
            found.append(weight_drop(self.weight_drop))
        if self.recurrent_dropout:
            found.append(recurrent_dropout(self.recurrent_dropout))
        if self.zoneout:
            found.append(zoneout(**self.zoneout))
        return found

    def penalty(self, dropped: Float[Tensor, "T B O"], raw: Float[Tensor, "T B O"]) -> Float[Tensor, ""] | float:
        """ar · mean(dropped²) + tar · mean((raw_t - raw_{t-1})²)."""
        total: Tensor | float = 0.0
        if self.ar:
            total = total + self.ar * dropped.square().mean()
        if self.tar and len(raw) > 1:
            total = total + self.tar * raw.diff(dim=0).square().mean()
        return total


def drop_words(
    embedding: nn.Embedding, ids: Int[Tensor, "T B"], probability: float, draw: Draw | None
) -> Float[Tensor, "T B D"]:
    """Embeddings, some symbols' zeroed wherever they occur; those kept are divided by 1 - probability."""
    x = embedding(ids)
    if not probability:
        return x
    assert draw is not None, "whoever trains draws"
    is_kept = draw.shared("words", x.new_empty(embedding.num_embeddings)) >= probability
    return x * (is_kept[ids][..., None] / (1 - probability))
