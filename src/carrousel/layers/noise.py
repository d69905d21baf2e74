"""Where the random numbers of a layer go in: behind x_t, on what layers hand on, on recurrent weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carrousel.engine import Program
from carrousel.engine.graph import Node
from carrousel.engine.noise import is_per_sequence
from carrousel.errors import ConfigError
from carrousel.layers.draw import Draw


def widened(program: Program, draw: Draw | None, place: str, x: Tensor) -> Tensor:
    """What the program is called with: x alone, or with the random numbers that its step reads drawn behind it."""
    if draw is None or not program.noise:
        return x
    return torch.cat([x, *(_columns(program, leaf, draw, place, x) for leaf in program.noise)], dim=-1)


def refuse_noise(programs: Sequence[Program]) -> None:
    """Raise ConfigError for programs that draw random numbers."""
    for program in programs:
        if program.noise:
            raise ConfigError(
                f"Recurrent: stream() of {program.graph.name}, whose step draws random numbers ({program.noise[0].name}), expected "
                "a cell without any. Run whole sequences."
            )


def _columns(program: Program, leaf: Node, draw: Draw, place: str, x: Tensor) -> Tensor:
    steps, batch = x.shape[0], x.shape[1]
    size, label = program.noise_sizes[leaf.name], f"{place}.{leaf.name}"
    if is_per_sequence(leaf):
        return draw.per_sequence(label, batch, size, x).expand(steps, batch, size)
    return draw.per_step(label, steps, batch, size, x)


def dropped(x: Tensor, probability: float, draw: Draw | None, label: str, *, is_per_sequence: bool = False) -> Tensor:
    """Features zeroed with a probability, the others scaled up: by `draw`, or where there is none by torch's generator."""
    if not probability:
        return x
    if draw is None:
        return nn.functional.dropout(x, probability)
    steps, batch, size = x.shape
    per_step = not is_per_sequence
    drawn = draw.per_step(label, steps, batch, size, x) if per_step else draw.per_sequence(label, batch, size, x)
    return x * _kept(drawn, probability)


@dataclass(frozen=True)
class DroppedWeight:
    """A recurrent matrix, the probability with which its elements are zeroed, and what its random numbers are called."""

    name: str
    probability: float
    label: str


def with_dropped(
    params: Mapping[str, Tensor], weights: Sequence[DroppedWeight], draw: Draw | None, place: str
) -> Mapping[str, Tensor]:
    """The parameters with elements of some matrices zeroed, the others scaled up; one mask for all rows and steps."""
    changed = dict(params)
    if draw is not None:
        for weight in weights:
            drawn = draw.shared(f"{place}.{weight.label}", changed[weight.name])
            changed[weight.name] = changed[weight.name] * _kept(drawn, weight.probability)
    return changed


def _kept(drawn: Tensor, probability: float) -> Tensor:
    return (drawn >= probability).to(drawn.dtype) * (1 / (1 - probability) if probability < 1 else 0.0)
