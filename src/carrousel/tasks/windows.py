"""What predictors that no network had to learn reach on a grammar: of its last few symbols, or of its state.

Exact: the chance of each state, with what the predictor sees there, is carried from step to step; nothing is drawn.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from math import log
from typing import NamedTuple, TypeVar

from carrousel.tasks.grammar import Grammar
from carrousel.tasks.task import Baseline

NEGLIGIBLE = 1e-12  # chance of all the strings that are longer than those followed

_Key = TypeVar("_Key")

Place = tuple[int, str]  # a state, and what the predictor sees there
Chances = Mapping[Place, float]
Times = defaultdict[str, defaultdict[_Key, float]]  # what is seen -> something -> how often, in a string, on average
Look = Callable[[str, str, int], str]  # what was seen, the next symbol, the state it leads to -> what is seen then


def window_baseline(grammar: Grammar, min_length: int, window: int) -> Baseline:
    """The best that can be done with the last `window` symbols, 1 or more: least cross-entropy, most steps legal."""
    return _Walks(grammar, min_length, lambda seen, symbol, _state: (seen + symbol)[-window:]).baseline()


def state_baseline(grammar: Grammar, min_length: int) -> Baseline:
    """The best that can be done with the state of the grammar, without counting symbols."""
    return _Walks(grammar, min_length, lambda _seen, _symbol, state: str(state)).baseline()


class _Asked(NamedTuple):
    """What is asked of a ranking of the symbols at a step: all that may be drawn before any that is not legal."""

    drawable: frozenset[str]
    legal: frozenset[str]

    def is_met_by(self, ranking: str) -> bool:
        firsts = (set(ranking[:k]) for k in range(1, len(self.legal) + 1))
        return any(self.drawable <= first <= self.legal for first in firsts)


@dataclass(frozen=True)
class _Walks:
    """All strings of a grammar at once, each with its chance, and what a predictor sees on its way through them."""

    grammar: Grammar
    min_length: int
    look: Look

    def baseline(self) -> Baseline:
        arrivals = list(self.follow(lambda _asked, _seen: True))
        after, asked = self.expect(arrivals)
        nats = sum(-n * log(n / sum(times.values())) for times in after.values() for n in times.values())
        rankings = {seen: _best_ranking(times) for seen, times in asked.items()}
        legal = sum(n for seen, times in asked.items() for a, n in times.items() if a.is_met_by(rankings[seen]))
        ends = self.follow(lambda asked, seen: asked.is_met_by(rankings[seen]))
        right = sum(chance for chances in ends for (state, _), chance in chances.items() if state == self.grammar.final)
        steps = sum(sum(times.values()) for times in asked.values())
        return Baseline(nats / steps, legal / steps, right)

    def follow(self, is_kept: Callable[[_Asked, str], bool]) -> Iterator[Chances]:
        """Chances of the places after 1, 2, 3 ... symbols; a string goes on while what is seen is kept, to its end."""
        chances: Chances = {(0, ""): 1.0}
        num_symbols = 0
        while sum(chances.values()) > NEGLIGIBLE:
            choices, _ = self.ways(num_symbols)
            arrived: defaultdict[Place, float] = defaultdict(float)
            for (state, seen), chance in chances.items():
                for symbol, after in choices[state].items():
                    arrived[after, self.look(seen, symbol, after)] += chance / len(choices[state])
            yield arrived
            num_symbols += 1
            _, asked = self.ways(num_symbols)
            chances = {(s, v): c for (s, v), c in arrived.items() if s < self.grammar.final and is_kept(asked[s], v)}

    def expect(self, arrivals: list[Chances]) -> tuple[Times[str], Times[_Asked]]:
        """Expected times, in a string, that each symbol follows what is seen, and that each thing is asked there."""
        after: Times[str] = defaultdict(lambda: defaultdict(float))
        asked: Times[_Asked] = defaultdict(lambda: defaultdict(float))
        for num_symbols, chances in enumerate(arrivals, start=1):
            choices, asked_in = self.ways(num_symbols)
            for (state, seen), chance in chances.items():
                if state < self.grammar.final:
                    asked[seen][asked_in[state]] += chance
                    for symbol in choices[state]:
                        after[seen][symbol] += chance / len(choices[state])
        return after, asked

    def ways(self, num_symbols: int) -> tuple[list[dict[str, int]], list[_Asked]]:
        """The choices and what is asked in each state but the final one, after this many symbols."""
        is_forced = self.grammar.is_forced(num_symbols, self.min_length)
        choices = [self.grammar.choices(state, is_forced) for state in range(self.grammar.final)]
        legal = self.grammar.arcs
        return choices, [_Asked(frozenset(c), frozenset(arcs)) for c, arcs in zip(choices, legal, strict=True)]


def _best_ranking(times: Mapping[_Asked, float]) -> str:
    """The first symbols, largest output first, that meet what is asked most often; at most two are legal at a step."""
    symbols = sorted(frozenset[str]().union(*(asked.legal for asked in times)))
    rankings = ("".join(firsts) for firsts in permutations(symbols, min(2, len(symbols))))
    return max(rankings, key=lambda ranking: sum(n for asked, n in times.items() if asked.is_met_by(ranking)))
