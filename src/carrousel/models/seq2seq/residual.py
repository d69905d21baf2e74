"""A stack of recurrent layers with shortcuts around each of them."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.encoder import StepDropout, numbered


class ResidualStack(nn.Module):
    """Recurrent layers y_l = layer_l(y_{l-1}) + y_{l-1}, the sum wherever both have as many features: from the second layer on.

    It takes and gives what a `Recurrent` of several layers does, its state among them.

    Args:
        layers: of the same cell, one layer each, time first.
        dropout: probability with which what is handed from layer to layer is zeroed while training.

    Source: Wu et al., "Google's Neural Machine Translation System", 2016, 1609.08144, section 3.1.
    """

    def __init__(self, layers: Sequence[Recurrent], dropout: float) -> None:
        super().__init__()
        self.layers, self.dropout = nn.ModuleList(layers), StepDropout(dropout, "between")
        first, last = layers[0], layers[-1]
        self.cell, self.layer_sizes, self.directions = first.cell, first.layer_sizes, first.directions
        self.input_size, self.output_size, self.num_layers = first.input_size, last.output_size, len(layers)

    def forward(
        self,
        x: Float[Tensor, "T B D"],
        state: Any = None,
        lengths: Int[Tensor, " B"] | None = None,
        draw: Draw | None = None,
    ) -> tuple[Float[Tensor, "T B O"], Any]:
        """Outputs of the last layer, and the state of all, every field (layers·directions, B, ...).

        Args:
            draw: the random numbers of dropout, which is on while training; when left out, torch's own.
        """
        states: list[Any] = []
        for k, layer in enumerate(self.layers):
            own = slice(k * self.directions, (k + 1) * self.directions)
            before = None if state is None else type(state)(*(field[own] for field in state))
            own_draw = None if draw is None else numbered(draw, k)
            y, after = layer(x, before, lengths=lengths, draw=own_draw)
            y = y + x if y.shape == x.shape else y
            x = y if k + 1 == self.num_layers else self.dropout(y, own_draw)
            states.append(after)
        return x, self.cell.State(*(torch.cat(fields) for fields in zip(*states, strict=True)))


Layers = Recurrent | ResidualStack
