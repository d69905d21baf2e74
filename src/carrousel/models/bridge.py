"""From the last state of layers that read to the first state of layers that write."""

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carrousel.cell import Cell, Sizes
from carrousel.errors import ConfigError


@runtime_checkable  # for the tests, which check annotations
class Layers(Protocol):
    """What a bridge asks of recurrent layers."""

    @property
    def cell(self) -> Cell:
        """The cell of all of them."""
        ...

    @property
    def layer_sizes(self) -> tuple[Sizes, ...]:
        """Axis sizes of each."""
        ...

    @property
    def directions(self) -> int:
        """1, or 2."""
        ...


class Bridge(nn.Module):
    """The first state of layers that write, from the last state of layers that read, in one direction or two.

    Args:
        encoder, decoder: layers of the same cell, size and number; the encoder's may go in two directions.
        is_learned: map the vectors of both directions by a matrix for each field of the state, which starts as their mean;
            matrices of a state, and vectors when it is not learned, are always the mean.
        where: the kind of model.
        remedy: how to do without.

    Raises:
        ConfigError: a field of the state has another shape in the encoder than in the decoder.
    """

    def __init__(self, encoder: Layers, decoder: Layers, is_learned: bool, where: str, remedy: str) -> None:
        super().__init__()
        shapes, wanted = (each.cell.state_shapes(each.layer_sizes[0]) for each in (encoder, decoder))
        for name, shape in shapes.items():
            if shape != wanted[name]:
                raise ConfigError(
                    f"{where}: state {name} of {encoder.cell.name} has shape {shape} in the encoder and {wanted[name]} in the "
                    f"decoder, expected one shape to hand it over. {remedy}"
                )
        self.directions, self.maps = encoder.directions, nn.ModuleDict()
        for name, shape in shapes.items():
            if is_learned and len(shape) == 1:
                mapped = nn.Linear(shape[0] * self.directions, shape[0])
                with torch.no_grad():
                    mapped.weight.copy_(torch.eye(shape[0]).repeat(1, self.directions) / self.directions)
                    nn.init.zeros_(mapped.bias)
                self.maps[name] = mapped

    def forward(self, state: Any) -> Any:
        """The cell's State, every field (layers, B, ...), from one with (layers·directions, B, ...)."""
        return type(state)(*(self._bridged(name, field) for name, field in state._asdict().items()))

    def _bridged(self, name: str, field: Float[Tensor, "LN B ..."]) -> Float[Tensor, "L B ..."]:
        halves = [field[direction :: self.directions] for direction in range(self.directions)]
        if name in self.maps:
            return self.maps[name](torch.cat(halves, -1))
        return torch.stack(halves).mean(0)
