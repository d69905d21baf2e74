"""A stack of layers in one or two directions: which program runs where, and what is handed on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carrousel.engine import Call, Program, run_together
from carrousel.layers.draw import Draw
from carrousel.layers.noise import dropped, widened


@dataclass(frozen=True)
class Stack:
    """The settings of a run over a stack.

    Args:
        programs: one a layer.
        params: (layer, direction) -> parameters by name.
        directions: 1, or 2 for bidirectional.
        dropout: probability with which the outputs between layers are zeroed; 0 when not training.
        is_recording: keep every named value of every step.
        draw: the random numbers of masks and stochastic cells; None where there are none.
        sequence_dropout: probabilities with which features of the input, of what is handed between layers, and of the output are
            zeroed for a whole sequence.
        residual: add what a layer reads to its output, wherever both have as many features.
    """

    programs: Sequence[Program]
    params: Callable[[int, int], Mapping[str, Tensor]]
    directions: int
    dropout: float
    is_recording: bool = False
    draw: Draw | None = None
    sequence_dropout: tuple[float, float, float] = (0.0, 0.0, 0.0)
    residual: bool = False


Recorded = list[dict[str, Tensor]]


def run_stack(
    stack: Stack,
    x: Float[Tensor, "T B D"],
    state: Sequence[Float[Tensor, "LN B ..."]],
    lengths: Int[Tensor, " B"] | None = None,
    reset: Bool[Tensor, "T B"] | None = None,
) -> tuple[Float[Tensor, "T B O"], list[Float[Tensor, "LN B ..."]], Recorded]:
    """Outputs of the last layer, the last state of every layer and direction, and the recorded values of each.

    Args:
        stack: what runs.
        x: input; finite and zero past a row's length.
        state: one tensor a state field, (layers·directions, B, ...).
        lengths: valid steps of each row.
        reset: where true, the state is zeroed before that step, in both directions.
    """
    last: list[Sequence[Tensor]] = []
    recorded: Recorded = []
    inputs, between, outputs = stack.sequence_dropout
    for layer, program in enumerate(stack.programs):
        shortcut = x
        x = dropped(x, between if layer else inputs, stack.draw, f"{layer}.x", is_per_sequence=True)
        record = program.named_values if stack.is_recording else ()
        calls: list[Call] = []
        for direction in range(stack.directions):
            start = [field[layer * stack.directions + direction] for field in state]
            turned = _turned(x, reset, lengths) if direction else (x, reset)
            inputs_of = widened(program, stack.draw, f"{layer}.{direction}", turned[0])
            calls.append(Call(program, stack.params(layer, direction), inputs_of, start, lengths, turned[1], record))
        results = run_together(calls)
        halves = [reverse(y, lengths) if direction else y for direction, (y, _, _) in enumerate(results)]
        last += [after for _, after, _ in results]
        for direction, (_, _, values) in enumerate(results):
            recorded.append({name: reverse(value, lengths) if direction else value for name, value in values.items()})
        x = torch.cat(halves, dim=-1) if len(halves) > 1 else halves[0]
        if stack.residual and x.shape == shortcut.shape:
            x = x + shortcut
        if stack.dropout and layer + 1 < len(stack.programs):
            x = dropped(x, stack.dropout, stack.draw, f"{layer}.y")
    x = dropped(x, outputs, stack.draw, "y", is_per_sequence=True)
    return x, [torch.stack(field) for field in zip(*last, strict=True)], recorded


def _turned(
    x: Tensor, reset: Bool[Tensor, "T B"] | None, lengths: Int[Tensor, " B"] | None
) -> tuple[Tensor, Tensor | None]:
    """Input and resets from each row's last valid step to its first."""
    if reset is not None:  # going backwards, a sequence ends where the one after it begins
        reset = reverse(torch.cat([reset[1:], torch.zeros_like(reset[:1])]), lengths)
    return reverse(x, lengths), reset


def reverse(x: Tensor, lengths: Int[Tensor, " B"] | None) -> Tensor:
    """The valid steps of each row in the opposite order; padding stays where it is."""
    if lengths is None:
        return x.flip(0)
    steps = torch.arange(x.shape[0], device=x.device)[:, None]
    source = torch.where(steps < lengths, lengths - 1 - steps, steps)
    return x.gather(0, source.reshape(*source.shape, *(1,) * (x.dim() - 2)).expand(x.shape))
