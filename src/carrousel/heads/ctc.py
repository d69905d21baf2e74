"""Connectionist temporal classification: an output for every step, of which blanks and repetitions are taken out.

At each of T steps a network gives probabilities of C classes, one of them the blank. A path is one class a step; it stands for the
sequence that is left when equal neighbours are joined and blanks then dropped. P(sequence) is the sum over all its paths, which
`ctc_loss` sums up by torch's own implementation. Here: the two ways back, from probabilities to a sequence.

A sequence of U units, R of them equal to the one before, needs U + R steps or more.

Source: Graves, Fernández, Gomez and Schmidhuber, "Connectionist Temporal Classification", ICML 2006, doi:10.1145/1143844.1143891,
section 3.2. Prefix search by beams: Hannun, Maas, Jurafsky and Ng, "First-Pass Large Vocabulary Continuous Speech Recognition using
Bi-Directional Recurrent DNNs", 2014, 1408.2873, algorithm 1 without its language model.
"""

import math
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.errors import ConfigError, ShapeError
from carrousel.heads.steps import valid_steps

BLANK = 0


class Decoded(NamedTuple):
    """A sequence, and the logarithm of its probability in nats."""

    units: tuple[int, ...]
    log_prob: float


def ctc_loss(
    log_probs: Float[Tensor, "T B C"],
    lengths: Int[Tensor, " B"],
    targets: Int[Tensor, "U B"],
    target_lengths: Int[Tensor, " B"],
) -> Float[Tensor, " B"]:
    """-ln P(target) of each row, in nats.

    Args:
        log_probs: of each class at each step; class 0 is the blank.
        lengths: valid steps.
        targets: classes from 1 on, padded with anything.
        target_lengths: valid units, 0 and more.

    Raises:
        ShapeError: a row's target cannot be written in its steps.
    """
    repeats = (targets[1:] == targets[:-1]) & (
        torch.arange(1, len(targets), device=targets.device)[:, None] < target_lengths
    )
    needed = target_lengths + repeats.sum(0)
    if (needed > lengths).any():
        row = int((needed - lengths).argmax())
        raise ShapeError(
            f"ctc: row {row} has {int(lengths[row])} steps for a target that needs {int(needed[row])}, one a unit and one between "
            "equal neighbours. Repeat the inputs, or leave the row out."
        )
    return nn.functional.ctc_loss(log_probs, targets.t(), lengths, target_lengths, blank=BLANK, reduction="none")


@torch.no_grad()
def best_path(log_probs: Float[Tensor, "T B C"], lengths: Int[Tensor, " B"]) -> list[Decoded]:
    """The sequence of each row's likeliest path, with the probability of that path alone."""
    values, classes = log_probs.max(-1)
    is_valid = valid_steps(len(log_probs), lengths)
    is_new = torch.cat([torch.ones_like(is_valid[:1]), classes[1:] != classes[:-1]])
    is_kept = is_new & (classes != BLANK) & is_valid
    totals = cast("list[float]", torch.where(is_valid, values, 0.0).sum(0).tolist())
    units = (cast("list[int]", classes[is_kept[:, b], b].tolist()) for b in range(classes.shape[1]))
    return [Decoded(tuple(found), total) for found, total in zip(units, totals, strict=True)]


@torch.no_grad()
def prefix_beam(
    log_probs: Float[Tensor, "T B C"], lengths: Int[Tensor, " B"], beam: int = 16, n_best: int = 1
) -> list[list[Decoded]]:
    """The likeliest sequences of each row, the best first, all paths of a sequence counted together.

    A prefix keeps two sums, over its paths that end with a blank and over those that do not. With a beam that holds every
    prefix the probabilities are exact.

    Args:
        log_probs: of each class at each step; class 0 is the blank.
        lengths: valid steps.
        beam: prefixes kept after each step.
        n_best: sequences of each row, at most `beam`.

    Raises:
        ConfigError: a number out of range.
    """
    for name, value in (("beam", beam), ("n_best", n_best)):
        if value < 1:
            raise ConfigError(f"prefix_beam: {name} is {value}, expected at least 1. Give a positive {name}.")
    if n_best > beam:
        raise ConfigError(
            f"prefix_beam: n_best is {n_best} with a beam of {beam}, expected at most the beam. Raise beam, or lower n_best."
        )
    rows = (log_probs[: int(length), b].double() for b, length in enumerate(lengths))
    return [_prefix_beam(cast("list[list[float]]", row.tolist()), beam)[:n_best] for row in rows]


Ends = dict[tuple[int, ...], tuple[float, float]]
"""Prefix -> ln P of its paths that end with a blank, and of those that do not."""


def _prefix_beam(steps: list[list[float]], beam: int) -> list[Decoded]:
    ends: Ends = {(): (0.0, -math.inf)}
    for step in steps:
        found: Ends = {}
        for prefix, (blank, unit) in ends.items():
            both = _add(blank, unit)
            _put(found, prefix, both + step[BLANK], unit + step[prefix[-1]] if prefix else -math.inf)
            for k in range(1, len(step)):
                before = blank if prefix[-1:] == (k,) else both  # an equal neighbour is a new unit only after a blank
                _put(found, (*prefix, k), -math.inf, before + step[k])
        best = sorted(found.items(), key=lambda one: -_add(*one[1]))[:beam]
        ends = {prefix: parts for prefix, parts in best if _add(*parts) > -math.inf}
    return [Decoded(prefix, _add(*parts)) for prefix, parts in ends.items()]


def _put(ends: Ends, prefix: tuple[int, ...], blank: float, unit: float) -> None:
    """Add paths to a prefix."""
    before = ends.get(prefix, (-math.inf, -math.inf))
    ends[prefix] = (_add(before[0], blank), _add(before[1], unit))


def _add(a: float, b: float) -> float:
    """ln(e^a + e^b)."""
    most, least = max(a, b), min(a, b)
    return most if least == -math.inf else most + math.log1p(math.exp(least - most))
