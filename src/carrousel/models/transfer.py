"""A network started from one of another kind: its embeddings and recurrent layers, wherever they fit.

Source: Dai and Le, "Semi-supervised Sequence Learning", NIPS 2015, arXiv:1511.01432: a classifier that starts from a language model
or from a sequence autoencoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.errors import ConfigError
from carrousel.layers import Recurrent
from carrousel.models.continued import grid

NUM_NAMED = 6
"""Inputs that an error names."""


@dataclass(frozen=True)
class Reading:
    """What a network reads sequences with.

    Attributes:
        layers: recurrent layers from the input up; those with two directions read both ways.
        embedding: of tokens; None for networks that read numbers.
        tokens: the token of each row of the embedding.
        inputs: names of the numbers that the first layer reads after the embedding, or of all that it reads where there is none;
            empty where nobody named them.
        backwards: layers of their own that read from the end, where `layers` read forwards only.
    """

    layers: Sequence[Recurrent]
    embedding: nn.Embedding | None = None
    tokens: Sequence[str] = ()
    inputs: Sequence[str] = ()
    backwards: Sequence[Recurrent] = ()

    @property
    def names(self) -> list[str]:
        """Names of all that the first layer reads; none where some have no name."""
        size = 0 if self.embedding is None else self.embedding.embedding_dim
        names = [*(f"feature {k + 1} of {size}" for k in range(size)), *self.inputs]
        return names if self.layers and len(names) == self.layers[0].input_size else []


def mapped_names(kind: str, size: int) -> list[str]:
    """Names of what a learned matrix makes of a network's inputs: they mean nothing to a network of another kind."""
    return [f"input {k + 1} of {size} that a {kind} made" for k in range(size)]


@torch.no_grad()
def transfer(source: Reading, target: Reading, where: str = "transfer") -> list[str]:
    """Copy what fits, and say what it was.

    An embedding is copied token by token, where both have as many features. Recurrent layers are copied from the input up, as
    long as cell and sizes agree; the directions that both have. What the first layer reads need not be the same: where it has
    names on both sides, the weights of those inputs are copied that both have.

    Raises:
        ConfigError: nothing fits.
    """
    copied: list[str] = []
    if source.embedding is not None and target.embedding is not None:
        copied += _embedding(source, target)
    inputs = _shared_inputs(source, target)
    for depth, (theirs, ours) in enumerate(zip(_layers(source), _layers(target), strict=False)):
        if theirs.cell.name != ours.cell.name or inputs == []:
            break
        shared = [suffix for suffix in ours.params if _fits(theirs, ours, suffix, inputs)]
        if not shared:
            break
        for suffix in shared:
            for name, tensor in ours.params[suffix].items():
                _copy(theirs.params[suffix][name], tensor, ours.cell.param_axes[name], inputs)
        directions = " in both directions" if len(shared) == 2 else ""
        part = "" if inputs is None else f", {len(inputs):,} of its {ours.input_size:,} inputs"
        copied.append(f"recurrent layer {depth + 1} ({ours.cell.name}){directions}{part}")
        inputs = None  # further layers read the outputs of those below them
    if not copied:
        raise ConfigError(
            f"{where}: nothing of {_described(source)} fits {_described(target)}, expected the same cell and sizes, or embeddings "
            "of the same size with tokens in common, or inputs of the same names. Set model.cell, model.hidden_size and "
            "model.embedding_size as they were there."
        )
    return copied


Pairs = Sequence[tuple[int, int]]
"""Places of the inputs that both have: in the source, and in the target."""


def _shared_inputs(source: Reading, target: Reading) -> Pairs | None:
    """Inputs of the same name; None for all inputs as they stand, be it that they are the same or that nobody named them."""
    theirs, ours = source.names, target.names
    if theirs == ours or not (theirs and ours):
        return None if (source.embedding is None) == (target.embedding is None) else []
    places = {name: k for k, name in enumerate(theirs)}
    return [(places[name], k) for k, name in enumerate(ours) if name in places]


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


class _Layer(NamedTuple):
    """A recurrent layer: its cell, what it reads, and its parameters by direction ("" or "_reverse")."""

    cell: Cell
    input_size: int
    params: dict[str, Params]


def _layers(reading: Reading) -> list[_Layer]:
    """Every layer from the input up."""
    found = _layers_of(reading.layers)
    for layer, backwards in zip(found, _layers_of(reading.backwards), strict=False):
        layer.params["_reverse"] = backwards.params[""]
    return found


def _layers_of(modules: Sequence[Recurrent]) -> list[_Layer]:
    return [
        _Layer(
            module.cell,
            module.input_size if layer == 0 else module.output_size,
            {
                suffix: {name: getattr(module, f"{name}_l{layer}{suffix}") for name in module.cell.param_axes}
                for suffix in ("", "_reverse")[: module.directions]
            },
        )
        for module in modules
        for layer in range(module.num_layers)
    ]


def _fits(theirs: _Layer, ours: _Layer, suffix: str, inputs: Pairs | None) -> bool:
    """Whether all parameters agree in all axes, but for that of the inputs where these are copied one by one."""
    if suffix not in theirs.params or theirs.params[suffix].keys() != ours.params[suffix].keys():
        return False
    return all(
        [n for n, axis in zip(tensor.shape, ours.cell.param_axes[name], strict=False) if inputs is None or axis != "D"]
        == [
            n for n, axis in zip(other.shape, ours.cell.param_axes[name], strict=False) if inputs is None or axis != "D"
        ]
        for (name, tensor), other in zip(ours.params[suffix].items(), theirs.params[suffix].values(), strict=True)
    )


def _copy(source: Tensor, target: Tensor, axes: Sequence[str], inputs: Pairs | None) -> None:
    if inputs is None or "D" not in axes:
        target.copy_(source)
        return
    theirs, ours = (torch.tensor(places) for places in zip(*inputs, strict=True))
    along = [k for k, axis in enumerate(axes) if axis == "D"]
    target[grid(target, along, ours)] = source[grid(source, along, theirs)]


def _described(reading: Reading) -> str:
    layers = ", ".join(f"{m.cell.name} {m.input_size}→{m.hidden_size}" for m in reading.layers) or "no recurrent layer"
    size = f"embeddings of {reading.embedding.embedding_dim}, " if reading.embedding is not None else ""
    names = reading.names if reading.embedding is None else []
    more = " ..." if len(names) > NUM_NAMED else ""
    reads = f" of {', '.join(names[:NUM_NAMED])}{more}" if names else ""
    return f"({size}{layers}{reads})"
