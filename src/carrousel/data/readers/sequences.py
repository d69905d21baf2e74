"""What the readers of numeric sequences give: sequences of numbers with a label or a target each."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64

from carrousel.data.faults import Faults
from carrousel.data.ragged import Ragged
from carrousel.data.readers.records import some


@dataclass(frozen=True, eq=False)
class Case:
    """One sequence.

    Attributes:
        values: NaN where one is missing.
        label: its class; None where the file has no classes.
        target: the number to predict from it; None where the file has none.
        name: what names it in the file: the line's number, the name of its file, its place.
    """

    values: Float[np.ndarray, "T D"]
    label: str | None
    target: float | None
    name: str


@dataclass(frozen=True, eq=False)
class Cases:
    """All sequences of a file or a folder.

    Attributes:
        path: of it.
        sequences: (T_k, D) each; NaN where a value is missing.
        labels: the class of each; empty where there are none.
        targets: the number to predict from each; empty where there is none.
        names: what names each in the file.
        classes: the classes, in the order the file declares them, or sorted.
        faults: what was malformed and skipped: `faults.skipped`, `faults.report()`.
    """

    path: Path
    sequences: Ragged
    labels: tuple[str, ...]
    targets: Float64[np.ndarray, " num_targets"]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    faults: Faults

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.sequences)


def gather_cases(path: Path, cases: Iterable[Case], faults: Faults, classes: tuple[str, ...] = ()) -> Cases:
    """All the sequences that a reader finds, as one.

    Raises:
        DataError: there is none.
    """
    found = list(some(path, cases, faults, "sequence", "one"))
    labels = tuple(case.label for case in found if case.label is not None)
    targets = np.array([case.target for case in found if case.target is not None], np.float64)
    return Cases(
        path,
        Ragged.of(case.values for case in found),
        labels,
        targets,
        tuple(case.name for case in found),
        classes or tuple(sorted(set(labels))),
        faults,
    )
