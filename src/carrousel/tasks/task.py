"""What the tasks on symbol strings share: batches to train on, the score, and what to hold the score against."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64


@dataclass(frozen=True, eq=False)
class Batch:
    """Strings padded to one length, time first: at each step a symbol is read and the next one is to be predicted.

    Attributes:
        inputs: the symbol read, one-hot; zero past the end of a string.
        targets: the number of the symbol that comes next; 0 past the end.
        legal: the symbols that the grammar allows next; none past the end.
        drawable: those of them that the generator may draw next: not the one that it must leave out for the string to
            reach its minimum length. Without a minimum length, all the legal ones.
        lengths: steps of each string, one less than its symbols.
    """

    inputs: Float32[np.ndarray, "T B C"]
    targets: Int64[np.ndarray, "T B"]
    legal: Bool[np.ndarray, "T B C"]
    drawable: Bool[np.ndarray, "T B C"]
    lengths: Int64[np.ndarray, " B"]

    @property
    def mask(self) -> Bool[np.ndarray, "T B"]:
        """True at the steps that count in the loss and in the score, False past the end of a string."""
        return np.arange(len(self.inputs))[:, None] < self.lengths


class Score(NamedTuple):
    """How well a predictor keeps to a grammar; both from 0 to 1."""

    steps_legal: float  # share of the steps at which the outputs tell the legal symbols from the others
    strings_right: float  # share of the strings with every step legal


class Baseline(NamedTuple):
    """What a predictor reaches that is known exactly, as expected values over the strings of a task."""

    cross_entropy: float  # nats per predicted symbol
    steps_legal: float
    strings_right: float


class Published(NamedTuple):
    """One line of a table in the literature."""

    method: str
    hidden: str  # units, or memory-cell blocks x cells in a block
    num_weights: int | None
    learning_rate: float | None
    solved: str  # share of the trials, as printed
    sequences: str  # training sequences until solved, as printed
    source: str
