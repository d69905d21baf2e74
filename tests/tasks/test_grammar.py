"""The facts of the Reber grammars, and the generator against one that is written as the course has it.

The facts follow from the state machine in Reber 1967, as the course COMP9444 (UNSW), week 5, numbers its states.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import pytest

from carrousel.tasks.grammar import Grammar
from carrousel.tasks.reber import REBER, ReberTask, embedded_reber, reber

pytestmark = pytest.mark.tiny

LEGAL_IN_REBER = ("B", "TP", "SX", "SX", "E", "VP", "VT")  # start, then nodes 0 to 5


def enumerate_strings(
    max_length: int, state: int = 0, so_far: str = "", chance: float = 1.0
) -> Iterator[tuple[str, float]]:
    """Every Reber string of up to `max_length` symbols with its probability, from the table."""
    if state == REBER.final:
        yield so_far, chance
    elif len(so_far) < max_length:
        for symbol, after in REBER.arcs[state].items():
            yield from enumerate_strings(max_length, after, so_far + symbol, chance / len(REBER.arcs[state]))


def by_length(strings: list[tuple[str, float]]) -> dict[int, list[float]]:
    return {n: [p for s, p in strings if len(s) == n] for n in range(5, 13)}


def test_as_many_reber_strings_of_each_length_as_the_machine_has_paths():
    chances = by_length(list(enumerate_strings(12)))
    assert {n: len(p) for n, p in chances.items()} == {5: 2, 6: 3, 7: 4, 8: 7, 9: 11, 10: 16, 11: 24, 12: 36}


def test_each_reber_string_has_its_probability():
    # A string of b free choices has 2^-b: BTXSE has 2, as has BPVVE.
    chances = by_length(list(enumerate_strings(12)))
    lengths = {n: round(math.fsum(p), 4) for n, p in chances.items() if n <= 10}
    assert lengths == {5: 0.25, 6: 0.1875, 7: 0.125, 8: 0.1094, 9: 0.0859, 10: 0.0625}
    assert math.fsum(p for _, p in enumerate_strings(10)) == pytest.approx(0.820, abs=5e-4)
    assert math.fsum(p for _, p in enumerate_strings(20)) == pytest.approx(0.992, abs=5e-4)


def length_chances(grammar: Grammar, min_length: int) -> dict[int, float]:
    """P(length), by carrying the chance of each state from symbol to symbol."""
    chances: dict[int, float] = {0: 1.0}
    ended: dict[int, float] = {}
    for num_symbols in range(300):
        arrived: defaultdict[int, float] = defaultdict(float)
        for state, chance in chances.items():
            arcs = grammar.choices(state, grammar.is_forced(num_symbols, min_length))
            for after in arcs.values():
                arrived[after] += chance / len(arcs)
        ended[num_symbols + 1] = arrived.pop(grammar.final, 0.0)
        chances = arrived
    return ended


def mean_and_deviation(chances: dict[int, float]) -> tuple[float, float]:
    mean = sum(n * p for n, p in chances.items())
    return mean, math.sqrt(sum((n - mean) ** 2 * p for n, p in chances.items()))


@pytest.mark.parametrize(("task", "shortest", "mean_length"), [(reber, 5, 8), (embedded_reber, 9, 12)])
def test_lengths_without_a_minimum(task: ReberTask, shortest: int, mean_length: int):
    chances = length_chances(task.grammar, 0)
    assert min(n for n, p in chances.items() if p) == shortest
    mean, deviation = mean_and_deviation(chances)
    assert mean == pytest.approx(mean_length, abs=1e-12)
    assert deviation == pytest.approx(3.37, abs=5e-3)


def test_a_minimum_of_20_symbols_gives_a_mean_of_22_8():
    chances = length_chances(embedded_reber.grammar, 20)
    assert min(n for n, p in chances.items() if p) == 20
    assert mean_and_deviation(chances)[0] == pytest.approx(22.835, abs=5e-4)


def test_the_embedded_grammar_has_the_states_of_the_course():
    # 0 start; 1 T or P; 2-8 and 10-16 the inner strings; 9 and 17 the copy; 18 the last E: 18 states with a prediction.
    arcs = embedded_reber.grammar.arcs
    assert len(arcs) == 19
    assert "".join(arcs[0]) == "B"
    assert [("".join(arcs[s]), "".join(arcs[s + 8])) for s in range(2, 9)] == [(x, x) for x in LEGAL_IN_REBER]
    assert [set(arcs[s]) for s in (1, 9, 17, 18)] == [{"T", "P"}, {"T"}, {"P"}, {"E"}]


def test_symbols_are_numbered_as_in_the_course():
    assert reber.grammar.symbols == embedded_reber.grammar.symbols == "BTSXPVE"


def draw_as_in_the_course(rng: np.random.Generator, min_length: int) -> str:
    """One Reber string, symbol by symbol: while it is shorter than the minimum less 2, nodes 2 and 4 take X and P."""
    ways = {0: "TP", 1: "SX", 2: "SX", 3: "E", 4: "VP", 5: "VT"}
    nodes = {"0T": 1, "0P": 5, "1S": 1, "1X": 2, "2S": 3, "2X": 5, "3E": 6, "4V": 3, "4P": 2, "5V": 4, "5T": 5}
    string, node = "B", 0
    while node != 6:
        is_forced = len(string) < min_length - 2 and node in (2, 4)
        symbol = ways[node][-1] if is_forced else ways[node][rng.integers(len(ways[node]))]
        string, node = string + symbol, nodes[f"{node}{symbol}"]
    return string


@pytest.mark.parametrize("min_length", [0, 12, 20])
def test_strings_are_distributed_as_the_course_draws_them(min_length: int):
    # The inner string gets the minimum less 4. Two counts of the same chance differ by 5 standard deviations at most.
    rng = np.random.default_rng(0)
    reference = Counter(draw_as_in_the_course(rng, min_length - 4) for _ in range(2_000))
    task = embedded_reber.at_least(min_length)
    drawn = Counter(string[2:-2] for string in task.strings(task.generate(np.random.default_rng(1), 2_000)))
    for string in reference | drawn:
        difference = drawn[string] - reference[string]
        assert abs(difference) <= 5 * math.sqrt(drawn[string] + reference[string]) + 1
