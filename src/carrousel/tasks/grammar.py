"""A finite-state grammar in which each way out of a state has the same chance, and the strings it draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from jaxtyping import Bool, Int64

NOTHING = -1  # in place of a symbol, after the end of a string


@dataclass(frozen=True)
class Grammar:
    """States 0 (start) to `final`, where a string is complete; at most two symbols lead out of a state.

    Attributes:
        symbols: the alphabet, in the order of the network's units.
        arcs: for each state but the final one, the state that each legal symbol leads to.
        detours: the symbol that leads away from the end, for each state where the other one leads straight there.
        way_out: symbols of that other, shortest way to the end.
    """

    symbols: str
    arcs: tuple[Mapping[str, int], ...]
    detours: Mapping[int, str]
    way_out: int

    @property
    def final(self) -> int:
        return len(self.arcs)

    def is_forced(self, num_symbols: int, min_length: int) -> bool:
        """Whether the way out, after `num_symbols` symbols, would make a string shorter than `min_length`."""
        return num_symbols + self.way_out < min_length

    def choices(self, state: int, is_forced: bool) -> dict[str, int]:
        """The arcs out of a state; of a detour and the way out, only the detour when it is forced."""
        arcs = self.arcs[state]
        return {s: arcs[s] for s in arcs if not is_forced or s == self.detours.get(state, s)}

    def accepts(self, string: str) -> bool:
        """Whether the grammar can draw this string."""
        state = 0
        for symbol in string:
            if state == self.final or symbol not in self.arcs[state]:
                return False
            state = self.arcs[state][symbol]
        return state == self.final

    def draw(
        self, rng: np.random.Generator, n: int, min_length: int
    ) -> tuple[Int64[np.ndarray, "num_symbols n"], Int64[np.ndarray, "num_symbols n"]]:
        """The symbols of `n` strings (NOTHING after the end of one), and the states in which they were drawn."""
        state = np.zeros(n, np.int64)
        symbols: list[Int64[np.ndarray, " n"]] = []
        states: list[Int64[np.ndarray, " n"]] = []
        while (state != self.final).any():
            ways = self._ways[int(self.is_forced(len(symbols), min_length))]
            symbol, next_state = ways[state, rng.integers(2, size=n)].T
            symbols.append(symbol)
            states.append(state)
            state = next_state
        return np.stack(symbols), np.stack(states)

    @cached_property
    def choosable(self) -> Bool[np.ndarray, "2 num_states C"]:
        """The symbols of `choices`, for not forced and forced, each state and each symbol; none in the final state."""
        table = np.zeros((2, self.final + 1, len(self.symbols)), np.bool_)
        for is_forced, state in product((0, 1), range(self.final)):
            symbols = [self.symbols.index(s) for s in self.choices(state, bool(is_forced))]
            table[is_forced, state, symbols] = True
        return table

    @cached_property
    def _ways(self) -> Int64[np.ndarray, "2 num_states 2 2"]:
        """Two (symbol, next state) to choose from, not forced and forced, in each state; the same twice if need be."""
        table = np.full((2, self.final + 1, 2, 2), (NOTHING, self.final), np.int64)
        for is_forced, state in product((0, 1), range(self.final)):
            choices = [(self.symbols.index(s), after) for s, after in self.choices(state, bool(is_forced)).items()]
            table[is_forced, state] = choices[0], choices[-1]
        return table
