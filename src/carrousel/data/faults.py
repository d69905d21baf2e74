"""What to do with a malformed line of a user's file: stop and name it, or count it and go on."""

import warnings
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import TypeVar

from carrousel.errors import DataError

T = TypeVar("T")
NUM_SHOWN = 5
SKIP = "data.skip_bad=true when training, skip_bad=True in Python"
SKIP_WHEN: dict[str, str] = dict.fromkeys(
    ("evaluate", "predict"), "--skip-bad on the command line, skip_bad=True in Python"
)
"""What is being done -> how to skip, where that is another way than `SKIP`."""


class SkippedWarning(UserWarning):
    """Malformed lines were left out, as was asked for; the message counts them and names the first ones."""


class Faults:
    """Collects the malformed lines of one reading.

    Args:
        where: what to name in front of an error.
        skip_bad: count malformed lines and go on; if not, the first one is an error.

    >>> faults = Faults("train", skip_bad=True)
    >>> faults.add("tags.tsv", 7, "has 3 columns", "2")
    >>> faults.skipped
    1
    >>> faults.report()
    'train: 1 malformed line was skipped: tags.tsv, line 7 has 3 columns, expected 2.'
    """

    def __init__(self, where: str, skip_bad: bool = False) -> None:
        self.where, self.skip_bad, self.skipped = where, skip_bad, 0
        self._shown: list[str] = []

    def add(self, path: Path | str, line_number: int | None, what: str, expected: str, *, unit: str = "line") -> None:
        """One fault: `what` goes on after the line's name, as in "has 3 columns"; then follows what was expected.

        Args:
            line_number: from 1; None when the fault is that of a whole file.
            unit: what is numbered: lines of a text, rows of a table without lines.

        Raises:
            DataError: faults are not skipped.
        """
        place = f"{path}" if line_number is None else f"{path}, {unit} {line_number:,}"
        text = f"{place} {what}, expected {expected}."
        if not self.skip_bad:
            thing = "file" if line_number is None else unit
            skip = SKIP_WHEN.get(self.where, SKIP)
            raise DataError(f"{self.where}: {text} Correct the {thing}, or skip what is malformed: {skip}.")
        self.skipped += 1
        if len(self._shown) < NUM_SHOWN:
            self._shown.append(text)

    def report(self) -> str:
        """How many lines were skipped, and the first of them; empty when none was."""
        if not self.skipped:
            return ""
        lines = "1 malformed line was" if self.skipped == 1 else f"{self.skipped:,} malformed lines were"
        more = f" And {self.skipped - NUM_SHOWN:,} more." if self.skipped > NUM_SHOWN else ""
        return f"{self.where}: {lines} skipped: {' '.join(self._shown)}{more}"


class LineFault(DataError):
    """What is wrong with a line, said where it is found; whoever knows the line's number gives it to `Faults.add`."""

    def __init__(self, what: str, expected: str) -> None:
        super().__init__(f"{what}, expected {expected}")
        self.what, self.expected = what, expected


def with_gaps(records: Iterable[T], faults: Faults) -> Iterator[T | None]:
    """The records of a reader, and None for each fault between them, so that what is made of them stays in line with the file.

    Args:
        records: made as they are asked for, each with one fault or none.
        faults: to which the reader adds.
    """
    told = 0
    for record in records:
        yield from repeat(None, faults.skipped - told)
        told = faults.skipped
        yield record
    yield from repeat(None, faults.skipped - told)


def tell_skipped(report: str) -> None:
    """A warning with what `Faults.report` says, if it says something."""
    if report:
        warnings.warn(report, SkippedWarning, stacklevel=3)
