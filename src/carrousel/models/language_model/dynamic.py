"""A language model that goes on learning from the text it is measured on, or that remembers it.

Both read a symbol's cost before they learn from it, so every symbol is predicted from those before it alone.
"""

import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor, nn

from carrousel.errors import ConfigError
from carrousel.models.language_model.network import LanguageModelNetwork

Squares = Mapping[str, Tensor]
"""Parameter by name -> the mean square of its gradients on the training text."""
AT_ONCE = 256
"""Symbols that the cache looks at together."""


@dataclass(frozen=True)
class DynamicEvaluation:
    """Gradient descent on the text being read, with a pull back to the trained weights θ_g.

    After each segment with loss L:

        θ ← θ - η ∇L                        + λ (θ_g - θ)                without the squares of `mean_squares`
        θ ← θ - η ∇L / (√MS + ε)            + λ R (θ_g - θ)              with them: R = √MS / mean(√MS), and λ R at most 1

    Attributes:
        learning_rate: η; about 0.002 with squares, 0.1 without them.
        decay: λ, of 0 to 1.
        segment: symbols between two changes of the weights, through which gradients flow back.
        epsilon: ε.

    Raises:
        ConfigError: a number out of range; on use, weights that are no longer finite.

    Source: Krause, Kahembwe, Murray and Renals, "Dynamic Evaluation of Neural Sequence Models", ICML 2018, arXiv:1709.07432.
    """

    learning_rate: float = 0.002
    decay: float = 0.02
    segment: int = 20
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        _check_range("DynamicEvaluation", "learning_rate", self.learning_rate, 0.0, math.inf, "0 or more")
        _check_range("DynamicEvaluation", "decay", self.decay, 0.0, 1.0, "0 to 1")
        _check_range("DynamicEvaluation", "segment", self.segment, 1, math.inf, "at least 1")
        _check_range("DynamicEvaluation", "epsilon", self.epsilon, 0.0, math.inf, "0 or more")

    def nats(
        self, network: LanguageModelNetwork, ids: Integer[np.ndarray, " T"], squares: Squares | None = None
    ) -> float:
        """Sum of -ln P over every symbol but the first, read as one stream; the weights are afterwards what they were."""
        total = 0.0
        with _as_found(network) as trained:
            updates = _Updates(self, dict(network.named_parameters()), trained, squares)
            for costs in _segments(network, ids, self.segment):
                network.zero_grad(set_to_none=True)
                costs.mean().backward()
                total += costs.detach().double().sum().item()
                updates.step()
        return total


class _Updates:
    """What changes the weights after a segment."""

    def __init__(
        self,
        about: DynamicEvaluation,
        parameters: Mapping[str, nn.Parameter],
        trained: Squares,
        squares: Squares | None,
    ) -> None:
        self.about, self.parameters, self.trained = about, parameters, trained
        self.rates: dict[str, Tensor | float] = dict.fromkeys(parameters, about.learning_rate)
        self.decays: dict[str, Tensor | float] = dict.fromkeys(parameters, about.decay)
        if squares is not None:
            roots = {name: squares[name].sqrt() for name in parameters}
            mean = torch.cat([root.flatten() for root in roots.values()]).mean()
            self.rates = {name: about.learning_rate / (root + about.epsilon) for name, root in roots.items()}
            self.decays = {name: (about.decay * root / mean).clamp(max=1) for name, root in roots.items()}

    @torch.no_grad()
    def step(self) -> None:
        for name, parameter in self.parameters.items():
            if parameter.grad is not None:
                back = (self.trained[name] - parameter) * self.decays[name]
                parameter.sub_(parameter.grad * self.rates[name]).add_(back)
                if not torch.isfinite(parameter).all():
                    raise ConfigError(
                        f"DynamicEvaluation: {name} is no longer finite at a learning_rate of {self.about.learning_rate:g}, "
                        "expected weights that stay near the trained ones. Lower learning_rate."
                    )


def mean_squares(
    network: LanguageModelNetwork, ids: Integer[np.ndarray, " T"], segment: int = 20, num_segments: int = 500
) -> dict[str, Tensor]:
    """The mean square of each parameter's gradient over segments of the training text, for `DynamicEvaluation`.

    Args:
        ids: the training text, of which the beginning is read.
        segment: as that of the dynamic evaluation.
        num_segments: how many to read at most.
    """
    sums = {name: torch.zeros_like(parameter) for name, parameter in network.named_parameters()}
    number = 0
    with _as_found(network):
        for costs in _segments(network, ids[: num_segments * segment + 1], segment):
            network.zero_grad(set_to_none=True)
            costs.mean().backward()
            number += 1
            for name, parameter in network.named_parameters():
                if parameter.grad is not None:
                    sums[name] += parameter.grad.square()
    return {name: value / max(number, 1) for name, value in sums.items()}


@dataclass(frozen=True)
class NeuralCache:
    """P(w) = (1 - λ) P_model(w) + λ Σ_{i in window, x_{i+1} = w} softmax_i(θ h_i · h_t): symbols that followed similar features.

    Attributes:
        window: how many last symbols are remembered.
        theta: θ, how much more similar features count.
        part: λ, of 0 to 1.

    Raises:
        ConfigError: a number out of range.

    Source: Grave, Joulin and Usunier, "Improving Neural Language Models with a Continuous Cache", ICLR 2017, arXiv:1612.04426.
    """

    window: int = 500
    theta: float = 0.3
    part: float = 0.1

    def __post_init__(self) -> None:
        _check_range("NeuralCache", "window", self.window, 1, math.inf, "at least 1")
        _check_range("NeuralCache", "theta", self.theta, 0.0, math.inf, "0 or more")
        _check_range("NeuralCache", "part", self.part, 0.0, 1.0, "0 to 1")

    @torch.no_grad()
    def nats(self, network: LanguageModelNetwork, ids: Integer[np.ndarray, " T"]) -> float:
        """Sum of -ln P over every symbol but the first, read as one stream."""
        is_training, state, total = network.training, None, 0.0
        network.eval()
        device = network.embedding.weight.device
        keys, values = (
            torch.zeros(0, network.recurrent.output_size, device=device),
            torch.zeros(0, dtype=torch.int64, device=device),
        )
        for begin in range(0, len(ids) - 1, AT_ONCE):
            x = torch.from_numpy(ids[begin : begin + AT_ONCE + 1].astype(np.int64)).to(device)
            features = network.features(x[:-1, None], state)
            state, h, targets = features.state, features.dropped[:, 0], x[1:]
            model = (-network.output.nats(h, targets)).exp()
            keys, values = torch.cat([keys, h]), torch.cat([values, targets])
            first = len(keys) - len(h)  # place of the window's first symbol among those remembered
            places, now = torch.arange(len(keys), device=device), first + torch.arange(len(h), device=device)[:, None]
            is_known = (places < now) & (places >= now - self.window)
            scores = (self.theta * h @ keys.T).masked_fill(~is_known, -math.inf)
            similar = torch.nan_to_num(scores.softmax(-1))  # nothing is remembered yet: no part of it
            cached = (similar * (values == targets[:, None])).sum(-1)
            has_cache = is_known.any(-1)
            p = torch.where(has_cache, (1 - self.part) * model + self.part * cached, model)
            total -= p.double().log().sum().item()
            keys, values = keys[-self.window :], values[-self.window :]
        network.train(is_training)
        return total


def _check_range(owner: str, name: str, value: float, low: float, high: float, expected: str) -> None:
    if not low <= value <= high or value == math.inf:
        raise ConfigError(f"{owner}: {name} is {value}, expected {expected}. Choose one in that range.")


def _segments(network: LanguageModelNetwork, ids: Integer[np.ndarray, " T"], segment: int) -> Iterator[Tensor]:
    """The costs of the symbols of each segment, with their gradient; the weights may change in between."""
    state: Any = None
    device = network.embedding.weight.device
    for begin in range(0, len(ids) - 1, segment):
        x = torch.from_numpy(ids[begin : begin + segment + 1].astype(np.int64)).to(device)
        features = network.features(x[:-1, None], state)
        state = type(features.state)(*(field.detach() for field in features.state))
        yield network.output.nats(features.dropped[:, 0], x[1:])


@contextmanager
def _as_found(network: LanguageModelNetwork) -> Generator[dict[str, Tensor]]:
    """Evaluation mode with gradients; afterwards mode, weights and gradients are as before. Yields a copy of the weights."""
    is_training = network.training
    network.eval()
    trained = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    try:
        with torch.enable_grad():
            yield trained
    finally:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(trained[name])
                parameter.grad = None
        network.train(is_training)
