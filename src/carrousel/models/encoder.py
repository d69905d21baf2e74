"""Recurrent layers over a ragged batch: deep, in one direction or two, with shortcuts and dropout whose masks belong to rows."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.init import forget_bias_for
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.layers.masks import variational_dropout
from carrousel.layers.noise import dropped


class Encoder(nn.Module):
    """A stack of recurrent layers of any cell.

    Args:
        cell: a Cell, or the name or alias of one in the catalogue.
        input_size: features of x.
        hidden_size: units of a layer and direction.
        num_layers: each further layer reads the outputs of the one below.
        bidirectional: a second set of cells reads the sequence backwards; outputs are joined, forward half first.
        residual: add a layer's input to its output, y_l = layer_l(y_{l-1}) + y_{l-1}, wherever both have as many features,
            which they have from the second layer on.
        dropout: probability with which a feature of the input, between layers and of the output is 0, for a whole sequence.
        forget_bias: start value of the forget-gate biases, in cells that have them; None keeps the cell's own start.
        sizes: further sizes of the cell.

    Source: residual: Longpre, Pradhan, Xiong and Socher, "A Way out of the Odyssey", 2016, arXiv:1611.05104; masks for whole
    sequences: Gal and Ghahramani, NIPS 2016, arXiv:1512.05287.
    """

    def __init__(
        self,
        cell: str | Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        residual: bool = False,
        dropout: float = 0.0,
        forget_bias: float | None = None,
        sizes: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.cell = find(cell) if isinstance(cell, str) else cell
        self.residual, self.directions = residual, 2 if bidirectional else 1
        layers: list[Recurrent] = []
        for k in range(num_layers):
            outputs = dropout if k + 1 == num_layers else 0.0
            layer = Recurrent(
                self.cell,
                layers[-1].output_size if layers else input_size,
                hidden_size,
                bidirectional=bidirectional,
                init=forget_bias_for(self.cell, forget_bias),
                masks=[variational_dropout(inputs=dropout, outputs=outputs)] if dropout else (),
                **cast(dict[str, Any], sizes or {}),
            )
            layers.append(layer)
        self.layers = nn.ModuleList(layers)
        self.output_size = layers[-1].output_size

    def forward(self, x: Float[Tensor, "T B D"], lengths: Int[Tensor, " B"], draw: Draw) -> Float[Tensor, "T B O"]:
        """Outputs of the last layer; those past a row's length mean nothing.

        Args:
            x: input; what lies past a row's length is not read.
            lengths: valid steps of each row, 1 to T.
            draw: the random numbers of the masks, and of stochastic cells.
        """
        for k, layer in enumerate(self.layers):
            y, _ = layer(x, lengths=lengths, draw=numbered(draw, k))
            x = y + x if self.residual and y.shape == x.shape else y
        return x


class RowDropout(nn.Module):
    """Dropout on vectors, one a row, whose masks belong to the rows: they do not depend on the batch.

    Args:
        probability: with which a feature is 0 while training; the others are scaled up.
        label: names the masks; different labels, different masks.
    """

    def __init__(self, probability: float, label: str) -> None:
        super().__init__()
        self.probability, self.label = probability, label

    def forward(self, x: Float[Tensor, "B O"], draw: Draw) -> Float[Tensor, "B O"]:
        """The rows, with features dropped while training."""
        probability = self.probability if self.training else 0.0
        return dropped(x[None], probability, draw, self.label, is_per_sequence=True)[0]


class StepDropout(nn.Module):
    """Dropout on vectors, one a step and row, whose masks belong to both: they do not depend on the batch.

    Args:
        probability: with which a feature is 0 while training; the others are scaled up.
        label: names the masks; different labels, different masks.
    """

    def __init__(self, probability: float, label: str) -> None:
        super().__init__()
        self.probability, self.label = probability, label

    def forward(self, x: Float[Tensor, "T B O"], draw: Draw | None) -> Float[Tensor, "T B O"]:
        """The vectors, with features dropped while training; by torch's own generator where there is no draw."""
        return dropped(x, self.probability if self.training else 0.0, draw, self.label)


def numbered(draw: Draw, k: int) -> Draw:
    """Other random numbers for the k-th of several layers that name theirs alike."""
    return Draw(draw.seed + k, draw.rows, draw.first_step)


def draw_for(rows: Sequence[int] | Int[Tensor, " B"]) -> Draw:
    """The random numbers of one loss: a seed from torch's generator, and the numbers of the batch's rows in the data.

    Processes that share a batch draw the same seed, and so for each row what one process would have drawn for it.
    """
    return Draw(torch.randint(2**62, ()), rows)
