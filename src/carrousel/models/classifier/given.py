"""The data of a run: a part to learn from and one to measure on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carrousel.data.kept import Kept, told_of
from carrousel.data.lazy import Made
from carrousel.data.splits import Rows as SplitRows
from carrousel.data.splits import a_tenth_of_each
from carrousel.errors import DataError
from carrousel.models.classifier.rows import Rows
from carrousel.models.classifier.scoring import ScoringNetwork
from carrousel.models.classifier.sequences import Labelled


@dataclass(frozen=True)
class Given:
    """The data of a run.

    Attributes:
        everything: the sequences of the training file or of Python objects.
        held_out: those to measure on: others, or rows to learn from and rows held out of the same.
        folder: that the user named to keep them in.
        kept: what is kept of them, file by file.
        sizes: bytes of each file.
    """

    everything: Labelled
    held_out: Labelled | SplitRows
    folder: Path | None = None
    kept: list[Kept] = field(default_factory=list[Kept])
    sizes: Sequence[int] = (0, 0)

    @property
    def train(self) -> Labelled:
        """The sequences to learn from."""
        return self.everything if isinstance(self.held_out, Labelled) else self.everything.some(self.held_out[0])

    @property
    def valid(self) -> Labelled:
        """The sequences to measure on."""
        return self.held_out if isinstance(self.held_out, Labelled) else self.everything.some(self.held_out[1])

    def rows(self, network: ScoringNetwork, where: str) -> tuple[Rows, Rows]:
        """Both parts as the network reads them."""
        seen = self._rows(network, self.everything, 0, where)
        if isinstance(self.held_out, Labelled):
            return seen, self._rows(network, self.held_out, 1, where)
        return seen.some(self.held_out[0]), seen.some(self.held_out[1])

    def _rows(self, network: ScoringNetwork, given: Labelled, k: int, where: str) -> Rows:
        folder = None if self.folder is None else self.folder / ("train-numbers", "valid-numbers")[k]
        of = self.kept[k].fingerprint if self.kept else ""
        rows, kept = network.kept_rows(given, where, folder, of, self.sizes[k])
        self.kept.extend(kept)
        return rows

    def told(self) -> str:
        """Where the data is kept, as a sentence; empty where it is in memory."""
        return told_of(self.folder, self.kept)


def held_out(given: Labelled, seed: int, where: str) -> SplitRows:
    """The rows to learn from and the tenth to measure on, each label in both in like parts where it can be.

    Raises:
        DataError: there are fewer than 2 rows.
    """
    if len(given) < 2:
        raise DataError(
            f"{where}: {given.source} has 1 sequence, expected at least 2, to learn from one and measure on the other. Give more."
        )
    return a_tenth_of_each(Made(given.labels, str), seed)
