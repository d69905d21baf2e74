"""From features to the probabilities of classes: the softmax, alone or tied to an embedding, and the adaptive softmax.

Every head here has the same four calls: `forward` gives logits, `log_probs` what they mean, `nats` the exact cost of given classes,
and `loss` what training makes small. In sampled.py only `loss` is another.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from carrousel.errors import ConfigError, counted


class Softmax(nn.Module):
    """P(class | y) = softmax(W y + b), with a smaller P y in place of y where the rows of W are shorter.

    Args:
        input_size: features of y.
        num_classes: C.
        tied: an embedding (C, E) whose rows are W, and learn from both uses. Where E is not `input_size`, a matrix P
            (E, input_size) makes y as long as they are.

    Raises:
        ConfigError: the embedding has another number of classes.

    Source: tied: Press and Wolf, "Using the Output Embedding to Improve Language Models", EACL 2017, arXiv:1608.05859; with P:
    Melis, Dyer and Blunsom, "On the State of the Art of Evaluation in Neural Language Models", ICLR 2018, arXiv:1707.05589.

    >>> head = Softmax(4, 7, tied=nn.Embedding(7, 3))
    >>> tuple(head(torch.zeros(2, 5, 4)).shape), [name for name, _ in head.named_parameters()]
    ((2, 5, 7), ['bias', 'projection.weight'])
    """

    bias: nn.Parameter

    def __init__(self, input_size: int, num_classes: int, tied: nn.Embedding | None = None) -> None:
        super().__init__()
        if tied is not None and tied.num_embeddings != num_classes:
            raise ConfigError(
                f"Softmax: tied has {tied.num_embeddings} rows, expected {num_classes}, one a class. Tie it to the embedding "
                "of the same symbols, or leave it out."
            )
        self.input_size, self.num_classes = input_size, num_classes
        self._tied = () if tied is None else (tied,)  # not registered: its weights belong to the embedding
        self.projection = None
        bound = 1 / math.sqrt(input_size)
        if tied is None:
            self.weight = nn.Parameter(torch.empty(num_classes, input_size).uniform_(-bound, bound))
        elif tied.embedding_dim != input_size:
            self.projection = nn.Linear(input_size, tied.embedding_dim, bias=False)
        self.bias = nn.Parameter(
            torch.empty(num_classes).uniform_(-bound, bound) if tied is None else torch.zeros(num_classes)
        )

    @property
    def rows(self) -> Float[Tensor, "C E"]:
        """W, whoever owns it."""
        return self._tied[0].weight if self._tied else self.weight

    def project(self, y: Float[Tensor, "*shape O"]) -> Float[Tensor, "*shape E"]:
        """What meets the rows of W."""
        return y if self.projection is None else self.projection(y)

    def forward(self, y: Float[Tensor, "*shape O"]) -> Float[Tensor, "*shape C"]:
        """The logits of every class."""
        return nn.functional.linear(self.project(y), self.rows, self.bias)

    def log_probs(self, y: Float[Tensor, "*shape O"]) -> Float[Tensor, "*shape C"]:
        """ln P of every class."""
        return self(y).log_softmax(-1)

    def nats(self, y: Float[Tensor, "num O"], targets: Int[Tensor, " num"]) -> Float[Tensor, " num"]:
        """-ln P of these classes."""
        return nn.functional.cross_entropy(self(y), targets, reduction="none")

    def loss(self, y: Float[Tensor, "num O"], targets: Int[Tensor, " num"]) -> Float[Tensor, ""]:
        """What training makes small, a mean over the targets: here `nats`."""
        return nn.functional.cross_entropy(self(y), targets)


class AdaptiveSoftmax(nn.Module):
    """A softmax in steps for many classes: the frequent ones and one entry a cluster first, then inside the cluster.

    P(w) = P(w among the frequent), or P(cluster) P(w | cluster), where cluster i sees y through a matrix to O / divisor^i
    features. It is normalised exactly. The work a symbol falls from C to about the number of frequent classes.

    Args:
        input_size: features of y.
        counts: how often each class occurs in the training data; only their order matters. None: classes are in that order already.
        num_classes: C.
        cutoffs: ranks at which the clusters begin, ascending, such as (2000, 10000).
        divisor: by which each further cluster's features shrink.

    Raises:
        ConfigError: the cutoffs are not ascending, or outside 1 .. C - 1, or the last cluster would see no feature, or more
            than there are.

    Source: Grave, Joulin, Cissé, Grangier and Jégou, "Efficient softmax approximation for GPUs", ICML 2017, arXiv:1609.04309; the
    computation is torch.nn.AdaptiveLogSoftmaxWithLoss.

    >>> head = AdaptiveSoftmax(32, 100, cutoffs=(10, 40))
    >>> round(head.log_probs(torch.randn(3, 32)).exp().sum().item(), 4)
    3.0
    """

    rank: Tensor

    def __init__(
        self,
        input_size: int,
        num_classes: int,
        counts: Num[Tensor, " C"] | None = None,
        cutoffs: Sequence[int] = (2_000, 10_000),
        divisor: float = 4.0,
    ) -> None:
        super().__init__()
        ascending = list(cutoffs)
        if not ascending or ascending != sorted(set(ascending)) or not 1 <= ascending[0] <= ascending[-1] < num_classes:
            raise ConfigError(
                f"AdaptiveSoftmax: cutoffs is {ascending}, expected ascending numbers from 1 to {num_classes - 1} for "
                f"{num_classes} classes. Choose about a tenth of the classes first, then half."
            )
        if divisor < 1 or input_size < divisor ** len(ascending):
            raise ConfigError(
                f"AdaptiveSoftmax: the last of {counted(len(ascending), 'cluster')} would see {input_size} / {divisor:g}^"
                f"{len(ascending)} features, expected 1 to {input_size}. Give fewer cutoffs, or another divisor."
            )
        self.input_size, self.num_classes, self.cutoffs, self.divisor = (
            input_size,
            num_classes,
            tuple(ascending),
            divisor,
        )
        order = torch.arange(num_classes) if counts is None else torch.argsort(counts, descending=True, stable=True)
        self.register_buffer("rank", torch.argsort(order))
        self.clusters = nn.AdaptiveLogSoftmaxWithLoss(input_size, num_classes, ascending, divisor, head_bias=True)

    def rows_of_classes(self) -> dict[str, tuple[list[int], int]]:
        """Parameter with a row a class -> the classes of its rows, in order, and how many rows of clusters come after them."""
        order = cast(list[int], torch.argsort(self.rank).tolist())
        num_clusters = len(self.cutoffs)
        ends = [*self.cutoffs, self.num_classes]
        found = {f"clusters.head.{part}": (order[: ends[0]], num_clusters) for part in ("weight", "bias")}
        for k in range(num_clusters):
            found[f"clusters.tail.{k}.1.weight"] = (order[ends[k] : ends[k + 1]], 0)
        return found

    def forward(self, y: Float[Tensor, "*shape O"]) -> Float[Tensor, "*shape C"]:
        """The logits of every class, which here are ln P."""
        flat: Any = self.clusters.log_prob(y.reshape(-1, self.input_size))
        return flat[:, self.rank].reshape(*y.shape[:-1], self.num_classes)

    def log_probs(self, y: Float[Tensor, "*shape O"]) -> Float[Tensor, "*shape C"]:
        """ln P of every class."""
        return self(y)

    def nats(self, y: Float[Tensor, "num O"], targets: Int[Tensor, " num"]) -> Float[Tensor, " num"]:
        """-ln P of these classes; only the clusters that they are in are computed."""
        return -self.clusters(y, self.rank[targets]).output

    def loss(self, y: Float[Tensor, "num O"], targets: Int[Tensor, " num"]) -> Float[Tensor, ""]:
        """What training makes small: the mean of `nats`."""
        return self.clusters(y, self.rank[targets]).loss
