"""Which softmax a language model ends in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Integer
from torch import Tensor, nn

from carrousel.errors import ConfigError
from carrousel.heads.sampled import NoiseContrastive, SampledSoftmax
from carrousel.heads.softmax import AdaptiveSoftmax, Softmax

HeadName = Literal["softmax", "adaptive", "sampled", "nce"]


@dataclass(frozen=True)
class Output:
    """The settings of the last layer.

    Attributes:
        head: "softmax", "adaptive", "sampled" or "nce"; the last two differ from the first while training only.
        tied: the embedding's rows serve as its weights; where outputs are not as long as these, a matrix makes them so.
        cutoffs: ranks by frequency at which the clusters of "adaptive" begin; empty for a tenth and half of the symbols.
        samples: symbols that "sampled" draws for a batch, or noise of "nce"; with "sampled" never more than there are.
    """

    head: HeadName = "softmax"
    tied: bool = False
    cutoffs: tuple[int, ...] = ()
    samples: int = 1_024

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "Output":
        """The settings as JSON gives them back."""
        given: dict[str, Any] = {**saved, "cutoffs": tuple(saved.get("cutoffs", ()))}
        return cls(**given)

    def build(
        self, input_size: int, embedding: nn.Embedding, counts: Integer[Tensor, " C"] | None
    ) -> Softmax | AdaptiveSoftmax:
        """The head, its weights drawn anew.

        Args:
            input_size: features of what it reads.
            embedding: of the symbols, which a tied head shares.
            counts: how often each symbol occurs in the training data; None where saved weights will say.

        Raises:
            ConfigError: settings that do not fit each other or the number of symbols.
        """
        num_classes = embedding.num_embeddings
        tied = embedding if self.tied else None
        match self.head:
            case "adaptive":
                if self.tied:
                    raise ConfigError(
                        "language model: model.tied is true with model.output adaptive, expected false: its clusters have weights "
                        "of their own. Set model.tied=false, or model.output=softmax."
                    )
                cutoffs = self.cutoffs or (max(num_classes // 10, 1), max(num_classes // 2, 2))
                return AdaptiveSoftmax(input_size, num_classes, counts, cutoffs)
            case "sampled":
                return SampledSoftmax(input_size, num_classes, counts, min(self.samples, num_classes), tied=tied)
            case "nce":
                return NoiseContrastive(input_size, num_classes, counts, self.samples, tied=tied)
            case _:
                return Softmax(input_size, num_classes, tied)
