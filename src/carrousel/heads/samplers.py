"""Drawing classes by their frequency, for losses that look at a few of many."""

import math
from typing import cast

import torch
from jaxtyping import Float, Float64, Int, Num
from torch import Tensor, nn


def unigram(counts: Num[Tensor, " C"]) -> Float64[Tensor, " C"]:
    """Probabilities proportional to the counts; a class that was never seen counts once, so that none is impossible.

    >>> print(unigram(torch.tensor([5, 0, 4])))
    tensor([0.5000, 0.1000, 0.4000], dtype=torch.float64)
    """
    at_least_once = counts.double().clamp(min=1)
    return at_least_once / at_least_once.sum()


def log_uniform(counts: Num[Tensor, " C"]) -> Float64[Tensor, " C"]:
    """P = ln((r + 2) / (r + 1)) / ln(C + 1) for the class of rank r by its count, from 0: close to Zipf's law.

    >>> print(log_uniform(torch.tensor([5, 0, 4])))
    tensor([0.5000, 0.2075, 0.2925], dtype=torch.float64)
    """
    rank = torch.argsort(torch.argsort(counts, descending=True, stable=True)).double()
    return torch.log1p(1 / (rank + 1)) / math.log(len(counts) + 1)


def draw_distinct(log_q: Float[Tensor, " C"], num: int) -> tuple[Int[Tensor, " K"], Float[Tensor, " C"]]:
    """Different classes, and ln of the chance with which each class of all would have been among them.

    Class w arrives after a waiting time from the exponential distribution of rate q(w), and the first `num` are taken. Given the
    arrival τ of the next one after them, w is taken with the chance 1 - exp(-q(w) τ), independently of the others, and a sum of
    f(w) / chance over those taken has the sum of all f as its mean. With `num` = C, all are taken and every chance is 1.

    Source: Rosén, "On sampling with probability proportional to size", J. Statistical Planning and Inference 62, 1997; the
    estimate: Kool, van Hoof and Welling, "Estimating Gradients for Discrete Random Variables by Sampling without
    Replacement", ICLR 2020.
    """
    num_classes = len(log_q)
    # -ln u can be 0 in float32; the smallest normal number keeps its logarithm finite.
    waiting = torch.empty_like(log_q).exponential_().clamp(min=torch.finfo(log_q.dtype).tiny).log() - log_q
    if num == num_classes:
        return torch.arange(num_classes, device=log_q.device), torch.zeros_like(log_q)
    first = torch.topk(waiting, num + 1, largest=False, sorted=True)
    log_rate = (log_q + first.values[-1]).clamp(min=math.log(torch.finfo(log_q.dtype).tiny))
    return first.indices[:-1], torch.log(-torch.expm1(-torch.exp(log_rate)))


class AliasSampler(nn.Module):
    """Draws from a fixed distribution, each in the same time however many classes there are.

    A draw picks one of C bins, then one of the at most two classes in it.

    Args:
        q: the distribution.

    Source: Vose, "A linear algorithm for generating random numbers with a given distribution", IEEE Transactions on Software
    Engineering 17(9), 1991.

    >>> AliasSampler(torch.tensor([0.0, 1.0, 0.0])).draw(3)
    tensor([1, 1, 1])
    """

    threshold: Tensor
    alias: Tensor

    def __init__(self, q: Float[Tensor, " C"]) -> None:
        super().__init__()
        threshold, alias = _bins(cast(list[float], (q.double() * len(q)).tolist()))
        self.register_buffer("threshold", torch.tensor(threshold))
        self.register_buffer("alias", torch.tensor(alias))

    def draw(self, num: int) -> Int[Tensor, " K"]:
        """That many classes, independent of one another, from torch's generator."""
        bins = torch.randint(len(self.alias), (num,), device=self.alias.device)
        is_own = torch.rand(num, device=self.alias.device) < self.threshold[bins]
        return torch.where(is_own, bins, self.alias[bins])


def _bins(weights: list[float]) -> tuple[list[float], list[int]]:
    """For weights of mean 1: how much of each bin is its own class's, and the class that has the rest."""
    threshold, alias = [1.0] * len(weights), list(range(len(weights)))
    low = [c for c, weight in enumerate(weights) if weight < 1]
    high = [c for c, weight in enumerate(weights) if weight >= 1]
    while low and high:
        poor, rich = low.pop(), high[-1]
        threshold[poor], alias[poor] = weights[poor], rich
        weights[rich] -= 1 - weights[poor]
        if weights[rich] < 1:
            low.append(high.pop())
    return threshold, alias
