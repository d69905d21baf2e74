"""A linear-chain conditional random field: one distribution over whole sequences of tags.

    S(x, y) = start[y_1] + Σ_t P_t[y_t] + Σ_{t>1} A_t[y_{t-1}, y_t] + stop[y_T]
    p(y | x) = exp S(x, y) / Z(x),    Z(x) = Σ_y exp S(x, y)
    A_t = A, or A + W(x_t) where the network also scores each pair of neighbours (Ma and Hovy)

P are the scores that a network gives to each tag of each step; A, start and stop are learned.

Sources: Lafferty, McCallum and Pereira, "Conditional Random Fields", ICML 2001; Huang, Xu and Yu, "Bidirectional LSTM-CRF Models
for Sequence Tagging", 2015, arXiv:1508.01991; Lample et al., NAACL 2016, arXiv:1603.01360; Ma and Hovy, ACL 2016, arXiv:1603.01354,
equation 4 (pairs).
Differs: tags that `legal` forbids have the score -∞, where Lample's code has -1,000.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from carrousel.errors import ConfigError, ShapeError
from carrousel.heads.chain import log_partition, n_best
from carrousel.heads.legal_tags import Legal
from carrousel.heads.steps import valid_steps

Lengths = Tensor | Sequence[int] | None


class CRF(nn.Module):
    """Scores of tags in, losses and sequences of tags out. Everything is time first and takes ragged batches.

    Args:
        num_classes: tags, C.
        legal: what may follow what, as `legal_tags` makes it; anything may when left out.

    Raises:
        ConfigError: `num_classes` is below 1, or `legal` is for another number of tags.

    >>> crf = CRF(3)
    >>> tags, score = crf.viterbi(torch.zeros(4, 2, 3), lengths=[4, 2])
    >>> tuple(tags.shape), tuple(score.shape)
    ((4, 2), (2,))
    """

    legal_start: Tensor
    legal_between: Tensor
    legal_stop: Tensor

    def __init__(self, num_classes: int, legal: Legal | None = None) -> None:
        super().__init__()
        if num_classes < 1:
            raise ConfigError(f"CRF: num_classes is {num_classes}, expected at least 1. Give the number of tags.")
        if legal is not None and legal.between.shape != (num_classes, num_classes):
            raise ConfigError(
                f"CRF: legal is for {len(legal.start)} tags, expected num_classes={num_classes}. Make it from the same labels."
            )
        self.num_classes = num_classes
        self.start = nn.Parameter(torch.empty(num_classes).uniform_(-0.1, 0.1))
        self.transitions = nn.Parameter(torch.empty(num_classes, num_classes).uniform_(-0.1, 0.1))  # [from, to]
        self.stop = nn.Parameter(torch.empty(num_classes).uniform_(-0.1, 0.1))
        everything = torch.ones(num_classes, num_classes, dtype=torch.bool)
        masks = legal or Legal(everything[0], everything, everything[0])
        for name, mask in zip(Legal._fields, masks, strict=True):
            self.register_buffer(f"legal_{name}", mask.clone(), persistent=False)

    def loss(
        self,
        scores: Tensor,
        tags: Int[Tensor, "T B"],
        lengths: Lengths = None,
        pairs: Tensor | None = None,
        per: str = "token",
        is_constrained: bool = True,
    ) -> Float[Tensor, ""]:
        """Mean of -log p(tags | scores) in nats.

        Args:
            scores: (T, B, C), of each tag at each step; values past a row's length are ignored.
            tags: the right ones; values past a row's length are ignored.
            lengths: valid steps in each row, 1 to T; all of them when left out.
            pairs: (T, B, C, C), further scores of the tag before and the tag at each step, [from, to]; those of the first
                step are ignored.
            per: "token" divides the sum by all valid steps of the batch, "sentence" by its rows. A learning rate that suits
                the one is too small or too large for the other.
            is_constrained: whether forbidden sequences are left out of Z, too; else only decoding leaves them out.

        Raises:
            ShapeError: a shape or value that does not fit; tags that `legal` forbids.
        """
        if per not in ("token", "sentence"):
            raise ConfigError(f"CRF: per is {per!r}, expected 'token' or 'sentence'. Choose one.")
        valid = self._check(scores, lengths, pairs)
        gold = self.gold_score(scores, tags, lengths, pairs, is_constrained)
        if torch.isinf(gold).any():
            row = int(torch.isinf(gold).nonzero()[0])
            raise ShapeError(
                f"CRF: the tags of row {row} are a sequence that legal forbids, expected a legal one. Correct the data, choose "
                "the scheme that it has, or call loss(is_constrained=False)."
            )
        nats = self.log_partition(scores, lengths, pairs, is_constrained) - gold
        return nats.sum() / (valid.sum() if per == "token" else valid.shape[1])

    def log_partition(
        self, scores: Tensor, lengths: Lengths = None, pairs: Tensor | None = None, is_constrained: bool = True
    ) -> Float[Tensor, " B"]:
        """log Z of each row, with its gradient; arguments as in `loss`."""
        valid = self._check(scores, lengths, pairs)
        return log_partition(*self._chain(scores, valid, pairs, is_constrained), valid)

    def gold_score(
        self,
        scores: Tensor,
        tags: Int[Tensor, "T B"],
        lengths: Lengths = None,
        pairs: Tensor | None = None,
        is_constrained: bool = True,
    ) -> Float[Tensor, " B"]:
        """S of these sequences of tags, -∞ for a forbidden one; arguments as in `loss`."""
        valid = self._check(scores, lengths, pairs)
        tags = self._check_tags(tags, valid)
        unary, between = self._chain(scores, valid, pairs, is_constrained)
        at_steps = unary.gather(2, tags[:, :, None])[:, :, 0].masked_fill(~valid, 0.0).sum(0)
        before, after = tags[:-1], tags[1:]
        if between.dim() == 2:
            moves = between[before, after]
        else:
            moves = between[1:].flatten(2).gather(2, (before * self.num_classes + after)[:, :, None])[:, :, 0]
        return at_steps + moves.masked_fill(~valid[1:], 0.0).sum(0)

    @torch.no_grad()
    def viterbi(
        self, scores: Tensor, lengths: Lengths = None, pairs: Tensor | None = None
    ) -> tuple[Int[Tensor, "T B"], Float[Tensor, " B"]]:
        """The likeliest legal sequence of each row, -1 past its length, and its score S; arguments as in `loss`."""
        tags, score = self.n_best(scores, 1, lengths, pairs)
        return tags[0], score[0]

    @torch.no_grad()
    def n_best(
        self, scores: Tensor, n: int, lengths: Lengths = None, pairs: Tensor | None = None
    ) -> tuple[Int[Tensor, "n T B"], Float[Tensor, "n B"]]:
        """The n likeliest legal sequences of each row, the best first, -1 past its length, and their scores S.

        Where a row has fewer than n, those missing have the score -∞ and the tags -1. `score - log_partition` is the log of a
        sequence's probability.

        Raises:
            ConfigError: `n` is below 1.
        """
        if n < 1:
            raise ConfigError(f"CRF: n is {n}, expected at least 1. Give the number of sequences wanted.")
        valid = self._check(scores, lengths, pairs)
        return n_best(*self._chain(scores, valid, pairs, True), valid, n)

    @torch.enable_grad()
    def marginals(self, scores: Tensor, lengths: Lengths = None, pairs: Tensor | None = None) -> Float[Tensor, "T B C"]:
        """p(y_t = c | x), the derivative of log Z with respect to the scores; 0 past a row's length, without gradient."""
        scores = scores.detach().requires_grad_()
        log_z = self.log_partition(scores, lengths, None if pairs is None else pairs.detach())
        return torch.autograd.grad(log_z.sum(), scores)[0]

    def extra_repr(self) -> str:
        """What `print(crf)` shows."""
        return f"{self.num_classes}, legal={int(self.legal_between.sum())} of {self.num_classes**2} pairs"

    def _chain(
        self, scores: Tensor, valid: Bool[Tensor, "T B"], pairs: Tensor | None, is_constrained: bool
    ) -> tuple[Tensor, Tensor]:
        """Scores with start and stop in them, and those between steps; -∞ is what is forbidden."""
        start, between, stop = self.start, self.transitions, self.stop
        if is_constrained:
            start = start.masked_fill(~self.legal_start, -math.inf)
            between = between.masked_fill(~self.legal_between, -math.inf)
            stop = stop.masked_fill(~self.legal_stop, -math.inf)
        steps = torch.arange(len(scores), device=scores.device)[:, None, None]
        last = valid.sum(0)[None, :, None] - 1
        none = scores.new_zeros(())
        unary = torch.where(valid[:, :, None], scores, none)
        unary = unary + torch.where(steps == 0, start, none) + torch.where(steps == last, stop, none)
        return unary, between if pairs is None else torch.where(valid[:, :, None, None], pairs, none) + between

    def _check(self, scores: Tensor, lengths: Lengths, pairs: Tensor | None) -> Bool[Tensor, "T B"]:
        """Which steps are valid.

        Raises:
            ShapeError: a shape or a length that does not fit.
        """
        if scores.dim() != 3 or scores.shape[2] != self.num_classes or not scores.shape[0]:
            raise ShapeError(
                f"CRF: scores has shape {tuple(scores.shape)}, expected (T, B, C) with T of at least 1 and "
                f"C={self.num_classes}. Give one score a tag, time first."
            )
        steps, batch = scores.shape[:2]
        expected = (steps, batch, self.num_classes, self.num_classes)
        if pairs is not None and tuple(pairs.shape) != expected:
            raise ShapeError(
                f"CRF: pairs has shape {tuple(pairs.shape)}, expected (T, B, C, C) = {expected}. Give one score a pair of tags."
            )
        if lengths is None:
            return torch.ones(steps, batch, dtype=torch.bool, device=scores.device)
        valid = torch.as_tensor(lengths, device=scores.device)
        if tuple(valid.shape) != (batch,) or (batch and not (valid.min() >= 1 and valid.max() <= steps)):
            raise ShapeError(
                f"CRF: lengths is {valid.tolist()}, expected {batch} numbers from 1 to {steps}. Leave empty sequences out."
            )
        return valid_steps(steps, valid)

    def _check_tags(self, tags: Tensor, valid: Bool[Tensor, "T B"]) -> Int[Tensor, "T B"]:
        """Tags with 0 where they are ignored.

        Raises:
            ShapeError: a shape or a tag that does not fit.
        """
        if tags.shape != valid.shape:
            raise ShapeError(
                f"CRF: tags has shape {tuple(tags.shape)}, expected (T, B) = {tuple(valid.shape)}. Give one tag a step."
            )
        tags = tags.long().masked_fill(~valid, 0)
        if tags.numel() and not (tags.min() >= 0 and tags.max() < self.num_classes):
            raise ShapeError(
                f"CRF: tags has numbers from {int(tags.min())} to {int(tags.max())}, expected 0 to {self.num_classes - 1}. "
                "Number the tags as the scores' last axis does."
            )
        return tags
