"""What the numbers of a comparison say, in a few sentences that hold for whatever came out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from carrousel.tasks import Baseline
from carrousel.train.compare import CRITERION, Comparison, Run

WINDOW = "3 symbols"  # a longer window does no better
NEAR = 0.1  # of the strings right: no more than what chance among seeds does to a memoryless predictor
LEARNED_ENOUGH, FAR_BEHIND = 0.95, 0.7  # of the strings right: what makes one cell late and another early


def share(value: float) -> str:
    """A number from 0 to 1 in four characters; 1.00 means all.

    >>> share(0.5), share(1.0), share(0.9999)
    ('.500', '1.00', '.999')
    """
    return "1.00" if value == 1 else f"{min(value, 0.999):.3f}"[1:]


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> listed(["srn"]), listed(["srn", "gru", "lstm"])
    ('srn', 'srn, gru and lstm')
    """
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def memoryless(comparison: Comparison) -> Baseline:
    """What a predictor of the last three symbols reaches at best."""
    return comparison.exercise.baselines()[WINDOW]


@dataclass(frozen=True)
class Standing:
    """Where a cell stands at the end; medians over the seeds."""

    label: str
    steps_legal: float
    strings_right: float
    least: float  # strings right of the worst seed
    most: float
    num_learned: int  # seeds
    num_seeds: int

    def __str__(self) -> str:
        return f"{self.label} ({share(self.strings_right)})"


def findings(comparison: Comparison, runs: Sequence[Run]) -> list[str]:
    """Who learned the task, who only the grammar, and who was late: one sentence or two each, where they apply.

    Args:
        runs: all of the comparison.
    """
    window = memoryless(comparison)
    groups: dict[Saying, list[Standing]] = {}
    for contender in comparison.contenders:
        standing = _standing([run for run in runs if run.cell == contender.label])
        groups.setdefault(_saying(standing, window), []).append(standing)
    said = [saying(groups[saying], window, comparison) for saying in SAYINGS if saying in groups]
    return [*said, *_late(comparison, runs)]


def _standing(runs: Sequence[Run]) -> Standing:
    rights = [run.strings_right for run in runs]
    return Standing(
        label=runs[0].cell,
        steps_legal=median(run.steps_legal for run in runs),
        strings_right=median(rights),
        least=min(rights),
        most=max(rights),
        num_learned=sum(run.sequences is not None for run in runs),
        num_seeds=len(runs),
    )


Saying = Callable[[Sequence[Standing], Baseline, Comparison], str]


def _saying(standing: Standing, window: Baseline) -> Saying:
    """Which sentence is true of a cell."""
    if standing.strings_right >= CRITERION:
        return _learned
    if standing.strings_right > window.strings_right + NEAR:
        return _between
    needs_memory = window.strings_right < CRITERION
    is_near = (
        standing.strings_right >= window.strings_right - NEAR and standing.steps_legal >= window.steps_legal - 0.01
    )
    return _level if needs_memory and is_near else _below


def _learned(standings: Sequence[Standing], _window: Baseline, _comparison: Comparison) -> str:
    seeds = [f"; {s.num_learned} of {s.num_seeds} seeds" if s.num_learned < s.num_seeds else "" for s in standings]
    learned = [f"{s.label} ({share(s.strings_right)}{of})" for s, of in zip(standings, seeds, strict=True)]
    return f"{listed(learned)} learned the task."


def _between(standings: Sequence[Standing], window: Baseline, _comparison: Comparison) -> str:
    return (
        f"{listed([str(s) for s in standings])} got past what can be done without memory ({share(window.strings_right)}), "
        "but not to the criterion."
    )


def _level(standings: Sequence[Standing], window: Baseline, comparison: Comparison) -> str:
    least, most = min(s.least for s in standings), max(s.most for s in standings)
    return (
        f"After {comparison.budget:,} strings {listed([str(s) for s in standings])} did about as well as can be done "
        f"without memory ({share(window.strings_right)}; single seeds: {share(least)} to {share(most)}): the grammar is "
        "learned, but in most seeds the second symbol is not kept to the end. A larger budget tells whether that comes later."
    )


def _below(standings: Sequence[Standing], _window: Baseline, comparison: Comparison) -> str:
    return f"{listed([str(s) for s in standings])} did not wholly learn the grammar from {comparison.budget:,} strings."


SAYINGS: tuple[Saying, ...] = (_learned, _between, _level, _below)


def _late(comparison: Comparison, runs: Sequence[Run]) -> list[str]:
    """Of cells that got there, but long after another one; each at the last moment at which they were apart."""
    end = _rights(runs, comparison.budget)
    moments = [1000 * 2**k for k in range(comparison.budget.bit_length()) if 1000 * 2**k <= comparison.budget / 2]
    apart: dict[str, str] = {}
    for seen in moments:
        then = _rights(runs, seen)
        first = max(then, key=then.__getitem__)
        for label in then:
            if then[label] <= FAR_BEHIND and end[label] >= LEARNED_ENOUGH and then[first] >= CRITERION:
                apart[label] = (
                    f"after {seen:,} strings {label} had {share(then[label])} and {first} {share(then[first])}"
                )
    if not apart:
        return []
    return [
        f"Later is not never: {'; '.join(apart.values())}. By {comparison.budget:,} {listed(list(apart))} got there, too."
    ]


def _rights(runs: Sequence[Run], seen: int) -> dict[str, float]:
    """Label -> median share of strings right after `seen` strings."""
    labels = dict.fromkeys(run.cell for run in runs)
    return {label: median(run.at(seen).strings_right for run in runs if run.cell == label) for label in labels}
