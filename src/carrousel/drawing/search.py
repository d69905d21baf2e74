"""The best placement that a fixed number of trials finds, always the same one."""

import random

from carrousel.drawing.diagram import Diagram
from carrousel.drawing.placement import Placement, choices, place
from carrousel.drawing.routing import Routes, route

MAX_TRIALS, WORK = 3_000, 1_000_000
"""Trials, and trials times the square of the number of glyphs: a trial takes about that long."""

KICKED = 3
"""Choices that are drawn anew where nothing gets better by one change."""


def arrange(found: Diagram) -> tuple[Placement, Routes]:
    """Placement and wires of least cost: changes that help are kept; where none does, a few are drawn and tried again."""
    search = _Search(found)
    draw = random.Random(0)
    options = sorted(search.options)
    best = search.descend({})
    while search.trials > 0 and options:
        kicked = dict(best[1])
        for choice in draw.choices(options, k=KICKED):
            kicked[choice] = draw.randrange(search.options[choice])
        best = min(best, search.descend(kicked), key=lambda result: result[0])
    placed = place(found, best[1])
    return placed, route(found, placed)


class _Search:
    def __init__(self, found: Diagram) -> None:
        self.found = found
        self.options = choices(found)
        self.trials = min(MAX_TRIALS, WORK // len(found.glyphs) ** 2)

    def cost(self, chosen: dict[tuple[str, str], int]) -> float:
        self.trials -= 1
        return route(self.found, place(self.found, chosen)).cost

    def descend(self, chosen: dict[tuple[str, str], int]) -> tuple[float, dict[tuple[str, str], int]]:
        """One change after another as long as something gets better."""
        cost = self.cost(chosen)
        is_better = True
        while is_better and self.trials > 0:
            is_better = False
            for choice, count in self.options.items():
                for alternative in range(count):
                    if alternative == chosen.get(choice, 0) or self.trials <= 0:
                        continue
                    tried = chosen | {choice: alternative}
                    other = self.cost(tried)
                    if other < cost - 1e-9:
                        chosen, cost, is_better = tried, other, True
        return cost, chosen
