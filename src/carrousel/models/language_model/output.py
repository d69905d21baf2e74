"""Which softmax a language model ends in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Integer
from torch import Tensor, nn

from carrousel.errors import ConfigError, counted
from carrousel.heads.sampled import NoiseContrastive, SampledSoftmax
from carrousel.heads.softmax import AdaptiveSoftmax, Softmax

HeadName = Literal["softmax", "adaptive", "sampled", "nce"]


@dataclass(frozen=True)
class Output:
    """The settings of the last layer.

    Attributes:
        head: "softmax", "adaptive", "sampled" or "nce"; the last two differ from the first while training only.
        tied: the embedding's rows serve as its weights; where outputs are not as long as these, a matrix makes them so.
        cutoffs: ranks by frequency at which the clusters of "adaptive" begin; empty for a tenth and half of the symbols, as far as
            there are symbols behind them and features for the last cluster.
        divisor: by which the features that each further cluster of "adaptive" reads shrink.
        samples: symbols that "sampled" draws for a batch, or noise of "nce"; with "sampled" never more than there are.
    """

    head: HeadName = "softmax"
    tied: bool = False
    cutoffs: tuple[int, ...] = ()
    samples: int = 1_024
    divisor: float = 4.0

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
                cutoffs = self.cutoffs or usual_cutoffs(num_classes, input_size, self.divisor)
                _check_clusters(cutoffs, num_classes, input_size, self.divisor)
                return AdaptiveSoftmax(input_size, num_classes, counts, cutoffs, self.divisor)
            case "sampled":
                return SampledSoftmax(input_size, num_classes, counts, min(self.samples, num_classes), tied=tied)
            case "nce":
                return NoiseContrastive(input_size, num_classes, counts, self.samples, tied=tied)
            case _:
                return Softmax(input_size, num_classes, tied)


def usual_cutoffs(num_classes: int, input_size: int, divisor: float) -> tuple[int, ...]:
    """A tenth and half of the symbols; the first alone, or a single one, where more would leave a cluster without anything.

    >>> usual_cutoffs(10_000, 64, 4.0), usual_cutoffs(3, 64, 4.0), usual_cutoffs(10_000, 8, 4.0), usual_cutoffs(2, 64, 4.0)
    ((1000, 5000), (1, 2), (1000,), (1,))
    """
    wanted = max(num_classes // 10, 1), max(num_classes // 2, 2)
    return tuple(cut for k, cut in enumerate(wanted, 1) if cut < num_classes and input_size >= divisor**k) or wanted[:1]


def _check_clusters(cutoffs: tuple[int, ...], num_classes: int, input_size: int, divisor: float) -> None:
    """Refuse clusters that cannot be, by the names of the settings."""
    if list(cutoffs) != sorted(set(cutoffs)) or not 1 <= cutoffs[0] <= cutoffs[-1] < num_classes:
        raise ConfigError(
            f"language model: model.cutoffs is {list(cutoffs)}, expected ascending numbers from 1 to {num_classes - 1} for "
            f"{num_classes:,} symbols. Leave it empty for a tenth and half of them, or set model.output=softmax."
        )
    if input_size < divisor ** len(cutoffs):
        raise ConfigError(
            f"language model: model.divisor is {divisor:g} with {counted(len(cutoffs), 'cutoff')}, so that the last cluster would "
            f"read {input_size} / {divisor:g}^{len(cutoffs)} features, expected at least 1. Lower model.divisor, or give fewer "
            "model.cutoffs."
        )
