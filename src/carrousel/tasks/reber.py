"""The Reber grammar, and the embedded one, which needs a memory: predict at each step which symbols may come next.

A Reber string starts with B and ends with E; between them each of two ways has the same chance (REBER). An embedded one
is B, then T or P, then a whole Reber string, then the same T or P, then E. What comes inside tells nothing about the
last choice, so that a predictor which forgets the second symbol is wrong in half of the strings.

Source: Reber, "Implicit learning of artificial grammars", Journal of Verbal Learning and Verbal Behavior 6(6), 1967;
the criterion: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, experiment 1; the
minimum length: exercise of week 5 of the course COMP9444, University of New South Wales.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from carrousel.errors import ConfigError, ShapeError
from carrousel.tasks.grammar import NOTHING, Grammar
from carrousel.tasks.task import Baseline, Batch, Published, Score
from carrousel.tasks.windows import state_baseline, window_baseline

REBER = Grammar(
    symbols="BTSXPVE",
    arcs=(
        {"B": 1},
        {"T": 2, "P": 6},
        {"S": 2, "X": 3},
        {"S": 4, "X": 6},
        {"E": 7},
        {"V": 4, "P": 3},
        {"V": 5, "T": 6},
    ),
    detours={3: "X", 5: "P"},
    way_out=2,
)


def embed(inner: Grammar) -> Grammar:
    """The grammar of the strings B, T or P, a string of `inner`, the same T or P, E."""
    t, p = 2, 2 + len(inner.arcs) + 1
    end = p + len(inner.arcs) + 1

    def branch(symbol: str, first: int) -> list[Mapping[str, int]]:
        within = [{s: first + after for s, after in arcs.items()} for arcs in inner.arcs]
        return [*within, {symbol: end}]

    return Grammar(
        symbols=inner.symbols,
        arcs=(
            {"B": 1},
            {"T": t, "P": p},
            *branch("T", t),
            *branch("P", p),
            {"E": end + 1},
        ),
        detours={first + state: symbol for first in (t, p) for state, symbol in inner.detours.items()},
        way_out=inner.way_out + 2,
    )


@dataclass(frozen=True)
class ReberTask:
    """Strings of a grammar with their legal next symbols, the criterion of 1997, baselines and published figures.

    >>> task = embedded_reber.at_least(20)
    >>> batch = task.generate(np.random.default_rng(0), 16)
    >>> task.success(batch.legal.astype(np.float32), batch)
    Score(steps_legal=1.0, strings_right=1.0)

    Attributes:
        name: what the registry calls it.
        grammar: states and symbols; the symbols are numbered in the order of `grammar.symbols`.
        min_length: symbols that a string has at least. While the shortest way to the end would make it shorter, the
            generator takes the other way; both stay legal, since a network cannot see that the choice was forced.
        published: results of the literature for no minimum length.
    """

    name: str
    grammar: Grammar
    min_length: int = 0
    published: tuple[Published, ...] = ()

    def __post_init__(self) -> None:
        if self.min_length < 0:
            raise ConfigError(
                f"{self.name}: min_length is {self.min_length}, expected 0 or more. Use 0 for strings of any length."
            )

    @property
    def input_size(self) -> int:
        """Symbols, and so inputs and outputs of a network."""
        return len(self.grammar.symbols)

    def at_least(self, min_length: int) -> "ReberTask":
        """The same task with strings of `min_length` symbols or more.

        Raises:
            ConfigError: `min_length` is below 0.
        """
        return replace(self, min_length=min_length)

    def generate(self, rng: np.random.Generator, n: int) -> Batch:
        """`n` fresh strings; the same ones for the same state of `rng`.

        Raises:
            ConfigError: `n` is below 1.
        """
        if n < 1:
            raise ConfigError(f"{self.name}: n is {n}, expected at least 1. Give the number of strings to draw.")
        symbols, states = self.grammar.draw(rng, n, self.min_length)
        is_step = symbols[1:] != NOTHING
        is_forced = [int(self.grammar.is_forced(so_far, self.min_length)) for so_far in range(1, len(symbols))]
        return Batch(
            inputs=np.eye(self.input_size, dtype=np.float32)[symbols[:-1]] * is_step[..., None],
            targets=np.where(is_step, symbols[1:], 0),
            legal=self.grammar.choosable[0, states[1:]],
            drawable=self.grammar.choosable[np.array(is_forced)[:, None], states[1:]],
            lengths=is_step.sum(axis=0),
        )

    def strings(self, batch: Batch) -> list[str]:
        """The strings of a batch as text.

        >>> reber.strings(reber.generate(np.random.default_rng(1), 3))
        ['BPTVVE', 'BTXXTTVPSE', 'BTSSSXXTVVE']
        """
        read = batch.inputs.argmax(-1)
        ids = [[*read[:n, b], batch.targets[n - 1, b]] for b, n in enumerate(batch.lengths)]
        return ["".join(self.grammar.symbols[i] for i in string) for string in ids]

    def accepts(self, string: str) -> bool:
        """Whether the task can draw this string."""
        return len(string) >= self.min_length and self.grammar.accepts(string)

    def success(self, outputs: Float[np.ndarray, "T B C"], batch: Batch) -> Score:
        """The share of steps at which the k legal symbols have the k largest outputs, and of strings where all have.

        Where the choice was forced, the drawable symbol has to come before all that are not legal; the other legal one
        may stand anywhere, so that a network may count symbols or not. A tie is wrong, and so is NaN. What stands past
        the end of a string is ignored.

        Raises:
            ShapeError: `outputs` has not the shape of `batch.legal`.
        """
        if outputs.shape != batch.legal.shape:
            raise ShapeError(
                f"{self.name}: outputs has shape {outputs.shape}, expected (T, B, C) = {batch.legal.shape}. "
                "Give one output for each symbol, at each step of each string of the batch."
            )
        lowest_drawable = np.where(batch.drawable, outputs, np.inf).min(-1)
        highest_illegal = np.where(batch.legal, -np.inf, outputs).max(-1)
        is_right = (lowest_drawable > highest_illegal) | ~batch.mask
        return Score(float(is_right[batch.mask].mean()), float(is_right.all(axis=0).mean()))

    def baselines(self) -> dict[str, Baseline]:
        """What can be reached at best with the last one, two or three symbols, and with the state of the grammar.

        Exact. A network that has learned the grammar tends to the last one, or below its cross-entropy if it counts the
        symbols to the minimum length.

        >>> print(f"{embedded_reber.baselines()['3 symbols'].strings_right:.3f}")
        0.500
        """
        windows = {"1 symbol": 1, "2 symbols": 2, "3 symbols": 3}
        seen = {name: window_baseline(self.grammar, self.min_length, size) for name, size in windows.items()}
        return seen | {"state": state_baseline(self.grammar, self.min_length)}


HOCHREITER_1997 = "Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, table 1"

reber = ReberTask("reber", REBER)

embedded_reber = ReberTask(
    "embedded-reber",
    embed(REBER),
    published=tuple(
        Published(*line, source=HOCHREITER_1997)
        for line in (
            ("RTRL", "3", 170, 0.05, "some fraction", "173,000"),
            ("RTRL", "12", 494, 0.1, "some fraction", "25,000"),
            ("Elman network", "15", 435, None, "0 %", ">200,000"),
            ("Recurrent cascade-correlation", "7-9", None, None, "50 %", "182,000"),
            ("LSTM", "4 x 1", 264, 0.1, "100 %", "39,740"),
            ("LSTM", "3 x 2", 276, 0.1, "100 %", "21,730"),
            ("LSTM", "3 x 2", 276, 0.2, "97 %", "14,060"),
            ("LSTM", "4 x 1", 264, 0.5, "97 %", "9,500"),
            ("LSTM", "3 x 2", 276, 0.5, "100 %", "8,440"),
        )
    ),
)
