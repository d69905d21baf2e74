"""A network started from one of another kind: its embeddings and recurrent layers, wherever they fit.

Source: Dai and Le, "Semi-supervised Sequence Learning", NIPS 2015, arXiv:1511.01432: a classifier that starts from a language model
or from a sequence autoencoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carrousel.errors import ConfigError
from carrousel.layers import Recurrent


@dataclass(frozen=True)
class Reading:
    """What a network reads sequences with.

    Attributes:
        layers: recurrent layers from the input up.
        embedding: of tokens; None for networks that read numbers.
        tokens: the token of each row of the embedding.
    """

    layers: Sequence[Recurrent]
    embedding: nn.Embedding | None = None
    tokens: Sequence[str] = ()


@torch.no_grad()
def transfer(source: Reading, target: Reading, where: str = "transfer") -> list[str]:
    """Copy what fits, and say what it was.

    An embedding is copied token by token, where both have as many features. Recurrent layers are copied from the input up, as
    long as cell and sizes agree; the directions that both have.

    Raises:
        ConfigError: nothing fits.
    """
    copied: list[str] = []
    if source.embedding is not None and target.embedding is not None:
        copied += _embedding(source, target)
    pairs = zip(_layers(source), _layers(target), strict=False)
    for depth, ((cell, theirs), (own_cell, ours)) in enumerate(pairs):
        shared = [suffix for suffix in ours if suffix in theirs and _fits(theirs[suffix], ours[suffix])]
        if cell != own_cell or not shared:
            break
        for suffix in shared:
            for name, tensor in ours[suffix].items():
                tensor.copy_(theirs[suffix][name])
        directions = " in both directions" if len(shared) == 2 else ""
        copied.append(f"recurrent layer {depth + 1} ({cell}){directions}")
    if not copied:
        raise ConfigError(
            f"{where}: nothing of {_described(source)} fits {_described(target)}, expected the same cell and sizes, or embeddings "
            "of the same size with tokens in common. Set model.cell, model.hidden_size and model.embedding_size as they were there."
        )
    return copied


def _embedding(source: Reading, target: Reading) -> list[str]:
    theirs, ours = source.embedding, target.embedding
    assert theirs is not None
    assert ours is not None
    if theirs.embedding_dim != ours.embedding_dim:
        return []
    places = {token: k for k, token in enumerate(source.tokens)}
    known = [(k, places[token]) for k, token in enumerate(target.tokens) if token in places]
    if not known:
        return []
    rows, from_rows = (torch.tensor(numbers) for numbers in zip(*known, strict=True))
    ours.weight[rows] = theirs.weight[from_rows]
    return [f"embeddings of {len(known):,} of {len(target.tokens):,} tokens"]


Params = Mapping[str, Tensor]


def _layers(reading: Reading) -> list[tuple[str, dict[str, Params]]]:
    """Cell and parameters by direction ("" or "_reverse") of each layer, from the input up."""
    found: list[tuple[str, dict[str, Params]]] = []
    for module in reading.layers:
        for layer in range(module.num_layers):
            suffixes = ("", "_reverse")[: module.directions]
            params: dict[str, Params] = {
                suffix: {name: getattr(module, f"{name}_l{layer}{suffix}") for name in module.cell.param_axes}
                for suffix in suffixes
            }
            found.append((module.cell.name, params))
    return found


def _fits(theirs: Params, ours: Params) -> bool:
    return theirs.keys() == ours.keys() and all(theirs[name].shape == ours[name].shape for name in ours)


def _described(reading: Reading) -> str:
    layers = ", ".join(f"{m.cell.name} {m.input_size}→{m.hidden_size}" for m in reading.layers) or "no recurrent layer"
    size = f"embeddings of {reading.embedding.embedding_dim}, " if reading.embedding is not None else ""
    return f"({size}{layers})"
