"""Writing text with a language model: drawn symbol by symbol, or the likeliest that a beam search finds."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from carrousel.errors import ConfigError
from carrousel.heads.beam import beam_search

if TYPE_CHECKING:
    from carrousel.models.language_model.network import LanguageModelNetwork


@dataclass(frozen=True)
class Choice:
    """How the next symbol is chosen.

    Attributes:
        temperature: logits are divided by it; 0 takes the likeliest.
        top_k: draw among that many likeliest symbols; None for all.
        top_p: draw among the likeliest symbols that together reach this probability at that temperature; None for all.

    Raises:
        ConfigError: a number out of range.

    Source: top_k: Fan, Lewis and Dauphin, ACL 2018, arXiv:1805.04833; top_p: Holtzman et al., "The Curious Case of Neural Text
    Degeneration", ICLR 2020, arXiv:1904.09751.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ConfigError(
                f"sample: temperature is {self.temperature}, expected 0 or more. Choose a temperature in that range."
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(
                f"sample: top_k is {self.top_k}, expected at least 1. Choose one such as 40, or leave it out."
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(
                f"sample: top_p is {self.top_p}, expected above 0 and at most 1. Choose one such as 0.9, or leave it out."
            )

    def draw(self, logits: Float[Tensor, " C"], generator: torch.Generator | None = None) -> Tensor:
        """A symbol, from the generator or torch's own."""
        if self.temperature == 0:
            return logits.argmax()
        return torch.multinomial(self.probabilities(logits), 1, generator=generator)

    def probabilities(self, logits: Float[Tensor, " C"]) -> Float[Tensor, " C"]:
        """What `draw` draws from, at a temperature above 0; ties at a limit are kept in order of the symbols' numbers."""
        whole = (logits / self.temperature).softmax(-1)
        if self.top_k is None and self.top_p is None:
            return whole
        p, order = whole.sort(descending=True, stable=True)
        if self.top_k is not None:
            p[self.top_k :] = 0
        if self.top_p is not None:
            total = p.sum()
            p[p.cumsum(-1) - p >= self.top_p * total] = 0
        return torch.zeros_like(p).scatter_(0, order, p / p.sum())


@torch.no_grad()
def continue_text(
    network: "LanguageModelNetwork", prompt: str, length: int, choice: Choice, generator: torch.Generator | None
) -> str:
    """`LanguageModelNetwork.sample`."""
    if length < 0:
        raise ConfigError(f"sample: length is {length}, expected 0 or more. Choose a length in that range.")
    is_training, device = network.training, network.embedding.weight.device
    network.eval()
    ids, state, written = _prompt_ids(network, prompt).to(device)[:, None], None, list[int]()
    for _ in range(length):
        logits, state = network(ids, state)
        ids = choice.draw(_known(network, logits[-1])[0].cpu(), generator).reshape(1, 1).to(device)
        written.append(int(ids))
    network.train(is_training)
    return network.vocabulary.decode(np.array(written, dtype=np.int64))


@torch.no_grad()
def continue_text_by_beam(network: "LanguageModelNetwork", prompt: str, length: int, beam: int, stop: str) -> str:
    """`LanguageModelNetwork.beam`."""
    end = network.vocabulary.encode(stop)
    if len(end) != 1 or end[0] == network.vocabulary.unknown:
        raise ConfigError(
            f"beam: stop is {stop!r}, expected one symbol that the model knows. Choose one that occurs in its training text."
        )
    is_training, device = network.training, network.embedding.weight.device
    network.eval()
    ids = _prompt_ids(network, prompt).to(device)
    state = network.features(ids[:-1, None]).state if len(ids) > 1 else None

    def step(last: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits, state = network(last[None], state)
        return _known(network, logits[0]).log_softmax(-1), state

    def select(state: Any, rows: Tensor) -> Any:
        return type(state)(*(field[:, rows] for field in state))

    (found,) = beam_search(
        step, select, state, 1, int(ids[-1]), int(end[0]), length, beam, length_penalty=0.0, device=device
    )  # fmt: skip
    network.train(is_training)
    return network.vocabulary.decode(np.array(found[0].tokens, dtype=np.int64))


def _prompt_ids(network: "LanguageModelNetwork", prompt: str) -> Int[Tensor, " T"]:
    ids = network.vocabulary.encode(prompt or "\n").astype(np.int64)
    return torch.from_numpy(ids if len(ids) else np.zeros(1, np.int64))


def _known(network: "LanguageModelNetwork", logits: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
    """Logits without the unknown symbol, which is never written."""
    if not torch.isfinite(logits).all():
        raise ConfigError(
            "sample: the model gives numbers that are not finite, expected probabilities. Train it with a lower learning rate."
        )
    if network.vocabulary.unknown is None:
        return logits
    return logits.index_fill(-1, torch.tensor(network.vocabulary.unknown, device=logits.device), -math.inf)
