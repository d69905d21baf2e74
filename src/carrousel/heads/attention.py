"""Attention: for each query, weights over the steps of a source, and the average of its values under them.

With a query q (a decoder's state) and keys k_j (an encoder's outputs), j = 1 .. source:

    dot        e_j = q · k_j                                                   Luong et al., equation 8
    general    e_j = q · (W k_j)                                               Luong et al., equation 8
    additive   e_j = v · tanh(W q + U k_j)                                     Bahdanau et al., appendix A.1.2
    weights    α_j = exp(e_j) / Σ exp(e_l), over the valid steps alone
    context    c = Σ α_j k_j

Luong's "concat", v · tanh(W [q; k_j]), and the scores of a pointer network, v · tanh(W_1 k_j + W_2 q), are the additive ones with
the matrix cut in two. What tells these models apart is where the query comes from and what becomes of the weights; that is the
decoder's business.

Everything is time-first: queries (T, B, ...), sources (source, B, ...). `project` does what depends on the source alone, once a
sequence.

Sources: Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", ICLR 2015, 1409.0473.
Luong, Pham and Manning, "Effective Approaches to Attention-based Neural Machine Translation", EMNLP 2015, 1508.04025.
Vinyals, Fortunato and Jaitly, "Pointer Networks", NIPS 2015, 1506.03134, equation 3.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carrousel.errors import ShapeError
from carrousel.heads.steps import valid_steps


def source_steps(source: int, lengths: Int[Tensor, " B"]) -> Bool[Tensor, "source B"]:
    """True at the steps before each row's length.

    Args:
        source: steps of the padded source.

    Raises:
        ShapeError: a length outside 1 .. source; a row without steps has nothing to attend to.
    """
    least, most = (int(lengths.min()), int(lengths.max())) if lengths.numel() else (1, source)
    if least < 1 or most > source:
        raise ShapeError(
            f"attention: lengths go from {least} to {most}, expected 1 to {source}, the steps of the source. Leave out empty "
            "sequences."
        )
    return valid_steps(source, lengths)


def attend(scores: Float[Tensor, "T B source"], is_valid: Bool[Tensor, "source B"]) -> Float[Tensor, "T B source"]:
    """Weights: the softmax over valid steps; exactly 0 at all others."""
    return scores.masked_fill(~is_valid.t(), -math.inf).softmax(-1)


def average(weights: Float[Tensor, "T B source"], values: Float[Tensor, "source B E"]) -> Float[Tensor, "T B E"]:
    """Context: the values' average under the weights of each query."""
    return torch.einsum("tbs,sbe->tbe", weights, values)


class Scores(nn.Module, ABC):
    """How well each step of a source fits each query.

    Args:
        query_size: features of a query.
        key_size: features of a source step.
    """

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__()
        self.query_size, self.key_size = query_size, key_size

    def project(self, keys: Float[Tensor, "source B E"]) -> Float[Tensor, "source B K"]:
        """What `forward` compares queries with."""
        return keys

    @abstractmethod
    def forward(
        self, queries: Float[Tensor, "T B H"], projected: Float[Tensor, "source B K"]
    ) -> Float[Tensor, "T B source"]:
        """Scores e, before masks and softmax.

        Args:
            projected: what `project` gave.
        """


class DotScores(Scores):
    """e_j = q · k_j.

    Raises:
        ShapeError: queries and keys of different sizes.
    """

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__(query_size, key_size)
        if query_size != key_size:
            raise ShapeError(
                f"attention: a dot product of queries of size {query_size} with keys of size {key_size}, expected one size. "
                "Use general scores, which have a matrix between."
            )

    def forward(
        self, queries: Float[Tensor, "T B H"], projected: Float[Tensor, "source B K"]
    ) -> Float[Tensor, "T B source"]:
        """As `Scores.forward`."""
        return torch.einsum("tbk,sbk->tbs", queries, projected)


class GeneralScores(Scores):
    """e_j = q · (W k_j)."""

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__(query_size, key_size)
        self.W = nn.Linear(key_size, query_size, bias=False)

    def project(self, keys: Float[Tensor, "source B E"]) -> Float[Tensor, "source B K"]:
        """As `Scores.project`."""
        return self.W(keys)

    def forward(
        self, queries: Float[Tensor, "T B H"], projected: Float[Tensor, "source B K"]
    ) -> Float[Tensor, "T B source"]:
        """As `Scores.forward`."""
        return torch.einsum("tbk,sbk->tbs", queries, projected)


class AdditiveScores(Scores):
    """e_j = v · tanh(W q + U k_j); also Luong's concat and a pointer network's scores.

    Args:
        size: of v.

    It holds T · B · source · size numbers at once.
    """

    def __init__(self, query_size: int, key_size: int, size: int) -> None:
        super().__init__(query_size, key_size)
        self.W = nn.Linear(query_size, size, bias=False)
        self.U = nn.Linear(key_size, size, bias=False)
        self.v = nn.Parameter(torch.empty(size).uniform_(-(size**-0.5), size**-0.5))

    def project(self, keys: Float[Tensor, "source B E"]) -> Float[Tensor, "source B K"]:
        """As `Scores.project`."""
        return self.U(keys)

    def forward(
        self, queries: Float[Tensor, "T B H"], projected: Float[Tensor, "source B K"]
    ) -> Float[Tensor, "T B source"]:
        """As `Scores.forward`."""
        joined = self.W(queries)[:, :, None] + projected.transpose(0, 1)  # (T, B, source, K)
        return torch.tanh(joined) @ self.v


class LocalWindow(nn.Module):
    """Luong's local-p attention: weights around a position that each query predicts.

        p = S · σ(v · tanh(W q))
        α_j ← α_j exp(-(j - p)² / (2 σ²)), σ = D / 2, where |j - p| ≤ D, else 0

    S is the row's length; positions j count from 0, so p lies in 0 .. S and a weight is never read past the row's end.
    As in the paper the weights no longer sum to 1.

    Args:
        query_size: features of a query.
        reach: D, steps to either side of p.

    Source: Luong et al. 2015, equations 9 and 10.
    """

    def __init__(self, query_size: int, reach: int = 10) -> None:
        super().__init__()
        self.W = nn.Linear(query_size, query_size, bias=False)
        self.v = nn.Parameter(torch.empty(query_size).uniform_(-(query_size**-0.5), query_size**-0.5))
        self.reach = reach

    def forward(
        self,
        weights: Float[Tensor, "T B source"],
        queries: Float[Tensor, "T B H"],
        is_valid: Bool[Tensor, "source B"],
    ) -> Float[Tensor, "T B source"]:
        """The weights near each query's position.

        Args:
            weights: of `attend`.
            queries: that they belong to.
            is_valid: of the source.
        """
        centre = is_valid.sum(0) * torch.sigmoid(torch.tanh(self.W(queries)) @ self.v)
        away = torch.arange(weights.shape[-1], device=weights.device) - centre[:, :, None]
        near = torch.exp(-2 * (away / self.reach) ** 2)
        return torch.where(away.abs() <= self.reach, weights * near, 0.0)
