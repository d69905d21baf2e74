"""From the outputs of every step to one vector a sequence: the last step, the mean, the maximum, or attention.

What lies past a row's length is never read.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.errors import ConfigError, nearest
from carrousel.heads.steps import valid_steps

POOLINGS = ("last", "mean", "max", "attention")


class Pooling(nn.Module):
    """One vector a sequence, by the name of the way to get it.

    Args:
        name: last, mean, max or attention.
        size: features of y.
        directions: 2 where the second half of the features was read backwards.

    Raises:
        ConfigError: no such pooling.

    >>> tuple(Pooling("attention", 6)(torch.zeros(5, 2, 6), torch.tensor([5, 3])).shape)
    (2, 6)
    """

    def __init__(self, name: str, size: int, directions: int = 1) -> None:
        super().__init__()
        if name not in POOLINGS:
            raise ConfigError(
                f"Pooling: name is {name!r}, expected one of {', '.join(POOLINGS)}.{nearest(name, POOLINGS)} Choose one."
            )
        self.name, self.directions = name, directions
        self.attention = AttentionPooling(size) if name == "attention" else None

    def forward(self, y: Float[Tensor, "T B O"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B O"]:
        """The pooled rows.

        Args:
            y: outputs of a recurrent layer.
            lengths: valid steps of each row, 1 to T.
        """
        if self.attention is not None:
            return self.attention(y, lengths)
        if self.name == "last":
            return last(y, lengths, self.directions)
        return mean(y, lengths) if self.name == "mean" else maximum(y, lengths)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return repr(self.name)


def last(y: Float[Tensor, "T B O"], lengths: Int[Tensor, " B"], directions: int = 1) -> Float[Tensor, "B O"]:
    """What each direction gives after it has read the whole sequence.

    Forwards that is the last valid step; backwards, the second half of the features, it is the first one.
    """
    rows = torch.arange(y.shape[1], device=y.device)
    forwards = y[lengths - 1, rows]
    if directions == 1:
        return forwards
    half = y.shape[2] // 2
    return torch.cat([forwards[:, :half], y[0, :, half:]], dim=-1)


def mean(y: Float[Tensor, "T B O"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B O"]:
    """The mean over the valid steps."""
    kept = y.masked_fill(~valid_steps(y.shape[0], lengths)[:, :, None], 0.0)
    return kept.sum(0) / lengths[:, None].to(y.dtype)


def maximum(y: Float[Tensor, "T B O"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B O"]:
    """The largest value of each feature over the valid steps."""
    return y.masked_fill(~valid_steps(y.shape[0], lengths)[:, :, None], -math.inf).amax(0)


class AttentionPooling(nn.Module):
    """A mean over the steps whose weights the steps themselves decide.

        u_t = tanh(W y_t + b)
        a_t = exp(v · u_t) / Σ_s exp(v · u_s)       over the valid steps
        out = Σ_t a_t y_t

    Source: Yang et al., "Hierarchical Attention Networks for Document Classification", NAACL 2016, equations 5 to 7.
    Differs: nothing.

    Args:
        size: features of y.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def weights(self, y: Float[Tensor, "T B O"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "T B"]:
        """How much each step counts: positive, 1 in all for a row, 0 past its length."""
        scores = self.score(torch.tanh(self.hidden(y))).squeeze(-1)
        return scores.masked_fill(~valid_steps(y.shape[0], lengths), -math.inf).softmax(0)

    def forward(self, y: Float[Tensor, "T B O"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B O"]:
        """The weighted mean of each row."""
        kept = y.masked_fill(~valid_steps(y.shape[0], lengths)[:, :, None], 0.0)
        return torch.einsum("tb,tbo->bo", self.weights(kept, lengths), kept)
