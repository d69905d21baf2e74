"""What a recurrent layer does on one sequence, for the report's heat maps."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from carrousel.layers import Recurrent

MAX_STEPS, MAX_UNITS = 120, 64


@torch.no_grad()
def gates_of(layer: Recurrent, x: Float[Tensor, "T 1 D"], steps: Sequence[str]) -> dict[str, Any]:
    """Every vector that the cell's step names, at every time step of one sequence, as gates.json holds it.

    Args:
        layer: its first cell's values are taken; where there are two directions, the forward one's.
        x: what the layer reads, one sequence without padding.
        steps: a word for each time step, such as the character read.
    """
    x = x[:MAX_STEPS] if not layer.batch_first else x[:, :MAX_STEPS]
    _, _, trace = layer.trace(x)
    values: dict[str, list[list[float]]] = {}
    for name in trace.names:
        found = trace[name]
        found = found[:, 0] if not layer.batch_first else found[0]
        if found.dim() == 2:  # memory matrices are left out
            values[name] = [[round(number, 4) for number in row] for row in found[:, :MAX_UNITS].tolist()]
    return {"layers": [{"cell": layer.cell.name, "values": values, "steps": list(steps[:MAX_STEPS])}]}
