"""What a text costs a language model: every symbol but the first, exactly once."""

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Integer
from torch import Tensor

from carrousel.train.kind import Example
from carrousel.train.to_device import to_device

if TYPE_CHECKING:
    from carrousel.models.language_model.network import LanguageModelNetwork

LOGITS_AT_ONCE = 2**24
"""Largest number of logits in memory, 64 MiB."""


@torch.no_grad()
def nats_of(network: "LanguageModelNetwork", ids: Integer[np.ndarray, " T"], num_streams: int, lead_in: int) -> float:
    """`LanguageModelNetwork.nats`; of a sequence mapped from a file only the windows being read are in memory."""
    num_scored = len(ids) - 1
    num_streams = max(1, min(num_streams, num_scored // max(lead_in, 1)))
    stretch = -(-num_scored // num_streams)
    window = max(1, min(256, LOGITS_AT_ONCE // (num_streams * len(network.vocabulary))))
    is_training, state, nats = network.training, None, 0.0
    network.eval()
    first = -lead_in if num_streams > 1 else 0
    for begin in range(first, stretch, window):
        steps = np.arange(begin, min(begin + window, stretch))
        places = steps[:, None] + stretch * np.arange(num_streams)
        is_scored = torch.from_numpy((steps[:, None] >= 0) & (places < num_scored))
        starts = torch.from_numpy(places == 0)  # the first stream has nothing before it to read
        places = places.clip(0, num_scored - 1)
        features = network.features(
            _tensor(network, ids[places]), state, starts.to(_device(network)) if starts.any() else None
        )
        state = features.state
        if is_scored.any():
            targets = _tensor(network, ids[places + 1])
            is_scored = is_scored.to(_device(network))
            nats += network.output.nats(features.dropped[is_scored], targets[is_scored]).double().sum().item()
    network.train(is_training)
    return nats


@torch.no_grad()
def surprises(network: "LanguageModelNetwork", ids: Integer[np.ndarray, " T"], num: int = 20) -> list[Example]:
    """The symbols of a text that the model least expected, the worst first.

    Args:
        ids: a sequence, all of it read in one window.
        num: how many to give.
    """
    if len(ids) < 2:
        return []
    is_training = network.training
    network.eval()
    x = _tensor(network, ids)[:, None]
    features = network.features(x[:-1]).dropped[:, 0]
    costs, decode = network.output.nats(features, x[1:, 0]), network.vocabulary.decode
    worst = torch.topk(costs, min(num, len(costs)))
    likeliest = network.output(features[worst.indices]).argmax(-1)
    network.train(is_training)
    columns = cast(tuple[list[float], list[int], list[int]], (worst[0].tolist(), worst[1].tolist(), likeliest.tolist()))
    return [
        Example(
            given=decode(ids[max(0, place - 60) : place + 1]),
            expected=decode(ids[place + 1 : place + 2]),
            predicted=decode(np.array([guess])),
            loss=cost,
        )
        for cost, place, guess in zip(*columns, strict=True)
    ]


def bits(nats: float, count: int) -> float:
    """Nats as bits for each of `count` symbols."""
    return nats / max(count, 1) / math.log(2)


def _device(network: "LanguageModelNetwork") -> torch.device:
    return network.embedding.weight.device


def _tensor(network: "LanguageModelNetwork", ids: Integer[np.ndarray, "*shape"]) -> Tensor:
    return to_device(torch.from_numpy(ids.astype(np.int64)), _device(network))
