"""Training a softmax over many classes with a few of them: sampled softmax, and noise-contrastive estimation.

Both train the weights of a plain `Softmax`, and both are measured as one: what they leave out, they leave out of `loss` alone.
"""

import math

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from carrousel.errors import ConfigError
from carrousel.heads.samplers import AliasSampler, draw_distinct, log_uniform, unigram
from carrousel.heads.softmax import Softmax

NOISES = {"log-uniform": log_uniform, "unigram": unigram}


class SampledSoftmax(Softmax):
    """A softmax over the right class and a few drawn ones, the same for the whole batch.

    With S the classes drawn and Q(w) the chance with which a draw contains w:

        loss = -(s_t - ln Q(t)) + ln( e^(s_t - ln Q(t)) + Σ_{w in S, w ≠ t} e^(s_w - ln Q(w)) )

    where s = W y + b. With as many samples as classes, Q is 1 and this is the softmax itself.

    Args:
        input_size: features of y.
        num_classes: C.
        counts: how often each class occurs in the training data.
        samples: different classes drawn for a batch, at most C.
        noise: "log-uniform" over the ranks by count, or "unigram", the counts themselves.
        tied: as `Softmax`.

    Raises:
        ConfigError: no such noise, or `samples` outside 1 .. C.

    Source: Jean, Cho, Memisevic and Bengio, "On Using Very Large Target Vocabulary for Neural Machine Translation", ACL 2015,
    arXiv:1412.2007; Jozefowicz, Vinyals, Schuster, Shazeer and Wu, "Exploring the Limits of Language Modeling", 2016,
    arXiv:1602.02410.
    Differs: the chance of a class is that of a race (`draw_distinct`), not one for a counted number of tries.
    """

    log_q: Tensor

    def __init__(
        self,
        input_size: int,
        num_classes: int,
        counts: Num[Tensor, " C"] | None = None,
        samples: int = 1_024,
        noise: str = "log-uniform",
        tied: nn.Embedding | None = None,
    ) -> None:
        super().__init__(input_size, num_classes, tied)
        if not 1 <= samples <= num_classes:
            raise ConfigError(
                f"SampledSoftmax: samples is {samples}, expected 1 to {num_classes}, the number of classes. "
                "Choose about a hundredth."
            )
        if noise not in NOISES:
            raise ConfigError(
                f"SampledSoftmax: noise is {noise!r}, expected one of {', '.join(NOISES)}. Choose one of these."
            )
        self.samples = samples
        self.register_buffer("log_q", NOISES[noise](_or_uniform(counts, num_classes)).log().float())

    def loss(self, y: Float[Tensor, "num O"], targets: Int[Tensor, " num"]) -> Float[Tensor, ""]:
        """The mean over the targets, in nats; torch's generator draws the classes."""
        drawn, log_chance = draw_distinct(self.log_q.to(y.dtype), self.samples)
        rows, bias, seen = self.rows, self.bias - log_chance, self.project(y)
        right = (seen * rows[targets]).sum(-1) + bias[targets]
        others = nn.functional.linear(seen, rows[drawn], bias[drawn]).masked_fill(drawn == targets[:, None], -math.inf)
        return nn.functional.cross_entropy(torch.cat([right[:, None], others], 1), torch.zeros_like(targets))


class NoiseContrastive(Softmax):
    """Noise-contrastive estimation: telling the right class from k draws of a known noise q.

        loss = -ln σ(s_t - ln k q(t)) - Σ_{i=1..k} ln σ(-(s_{w_i} - ln k q(w_i))),    w_i ~ q, the same for the whole batch

    where s = W y + b stands for ln P itself: the model learns to be nearly normalised, without ever being divided by a sum. For
    that, b starts at -ln C. Losses of different k cannot be compared; `nats` divides by the true sum.

    Args:
        input_size: features of y.
        num_classes: C.
        counts: how often each class occurs in the training data; q is proportional to them.
        samples: k.
        noise: as `SampledSoftmax`.
        tied: as `Softmax`.

    Raises:
        ConfigError: no such noise, or `samples` below 1.

    Source: Mnih and Teh, "A fast and simple algorithm for training neural probabilistic language models", ICML 2012,
    arXiv:1206.6426; shared noise: Zoph, Vaswani, May and Knight, "Simple, Fast Noise-Contrastive Estimation for Large RNN
    Vocabularies", NAACL 2016.
    """

    log_kq: Tensor

    def __init__(
        self,
        input_size: int,
        num_classes: int,
        counts: Num[Tensor, " C"] | None = None,
        samples: int = 256,
        noise: str = "unigram",
        tied: nn.Embedding | None = None,
    ) -> None:
        super().__init__(input_size, num_classes, tied)
        if samples < 1:
            raise ConfigError(f"NoiseContrastive: samples is {samples}, expected at least 1. Choose about a hundred.")
        if noise not in NOISES:
            raise ConfigError(
                f"NoiseContrastive: noise is {noise!r}, expected one of {', '.join(NOISES)}. Choose one of these."
            )
        self.samples = samples
        q = NOISES[noise](_or_uniform(counts, num_classes))
        self.register_buffer("log_kq", (q.log() + math.log(samples)).float())
        self.noise = AliasSampler(q)
        nn.init.constant_(self.bias, -math.log(num_classes))

    def loss(self, y: Float[Tensor, "num O"], targets: Int[Tensor, " num"]) -> Float[Tensor, ""]:
        """The mean over the targets of their k + 1 terms; torch's generator draws the noise."""
        noise = self.noise.draw(self.samples)
        rows, bias, seen = self.rows, self.bias - self.log_kq.to(y.dtype), self.project(y)
        right = (seen * rows[targets]).sum(-1) + bias[targets]
        wrong = nn.functional.linear(seen, rows[noise], bias[noise])
        return nn.functional.softplus(-right).mean() + nn.functional.softplus(wrong).sum(-1).mean()


def _or_uniform(counts: Num[Tensor, " C"] | None, num_classes: int) -> Num[Tensor, " C"]:
    return torch.ones(num_classes) if counts is None else counts
