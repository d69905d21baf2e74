"""What every classifier does with the scores of its classes: the loss, probabilities, and their mean over dropout masks."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from carrousel.data.batches import Bucketed
from carrousel.data.kept import Kept
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.classifier.figures import ALL_FIGURES, ManyLabels, OneLabel
from carrousel.models.classifier.rows import Batch, Encoded, Layout, Rows
from carrousel.models.classifier.sequences import Label, Labelled
from carrousel.models.continued import Named, NamedRows
from carrousel.models.encoder import Encoder, RowDropout, draw_for
from carrousel.models.network import Network
from carrousel.train.kind import Figures
from carrousel.train.loop import Loss

BATCH_SIZE = 256  # of a measurement


class ScoringNetwork(Network):
    """A network that scores classes for every row of a batch.

    Attributes:
        num_masks: dropout masks over which probabilities are averaged; 0 for one pass without dropout.
        columns: what the columns of a table are called in which its sequences and labels stand.
        labels: the classes.
        meaningful: figures that mean something of its classes.
    """

    meaningful: ClassVar[Collection[str]] = ALL_FIGURES
    num_masks: int
    columns: Mapping[str, Any]
    labels: tuple[Any, ...]

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """The form of what `encoded` gives."""

    @abstractmethod
    def encoded(self, given: Labelled, where: str) -> Iterator[Encoded]:
        """Sequences as this network reads them, one at a time, with the numbers of their labels where they have some.

        Raises:
            DataError: a sequence that it cannot read, or a label that it does not know.
        """

    @abstractmethod
    def numbering(self) -> Mapping[str, Any]:
        """All that the numbers depend on which `encoded` gives; what JSON can hold."""

    def rows(self, given: Labelled, where: str) -> Rows:
        """Sequences as this network reads them, in memory; errors as `encoded`."""
        return self.layout.kept(self.encoded(given, where), given.places)[0]

    def kept_rows(
        self, given: Labelled, where: str, folder: Path | None, of: str, size: int
    ) -> tuple[Rows, list[Kept]]:
        """The same, and where it is kept (`data/kept.py`), if not where the sequences are.

        Args:
            folder: to keep it in, if the user named one.
            of: fingerprint of the sequences.
            size: bytes of the file that they are from.

        Raises:
            DataError: as `encoded`, or the folder cannot be written.
        """
        about = {"sequences": of, **self.numbering()}
        rows, kept = self.layout.kept(self.encoded(given, where), given.places, folder, about, where, size)
        return rows, [kept]

    @abstractmethod
    def said(self, rows: Rows, probabilities: Float64[np.ndarray, "N C"]) -> list[Label | tuple[Label, ...]]:
        """The label of each row, or where several can be right, all from probability one half on."""

    @abstractmethod
    def first_layer(self, batch: Batch) -> tuple[Recurrent, Float[Tensor, "T B D"], Sequence[str]]:
        """The layer to show in the report, what it reads, and a word for each step of the batch's first row."""

    def meaning(self) -> dict[str, Any]:
        """As `Network.meaning`: not what the columns of a table are called; labels as texts, also where they are numbers."""
        return {**self.config(), "columns": None, "labels": [repr(label) for label in self.labels]}

    def figures(self, rows: Rows, probabilities: Float64[np.ndarray, "N C"]) -> Figures:
        """How right these probabilities are."""
        return self.measured([rows], lambda _: probabilities)

    def measured(
        self, pieces: Iterable[Rows], probabilities: Callable[[Rows], Float64[np.ndarray, "N C"]] | None = None
    ) -> Figures:
        """How right the network is, or whatever gives these probabilities, on rows of which one piece is in memory at a time."""
        tally: OneLabel | ManyLabels | None = None
        for rows in pieces:
            found = (probabilities or self.probabilities)(rows)
            tally = tally or (ManyLabels if rows.is_multi_label else OneLabel)(found.shape[1])
            tally.add(found, rows.targets)
        assert tally is not None, "there is at least one row"
        return {name: value for name, value in tally.figures().items() if name in self.meaningful}

    @abstractmethod
    def forward(self, batch: Batch, draw: Draw) -> Float[Tensor, "B C"]:
        """Scores of the classes: logarithms of probabilities but for a constant, or of odds where several labels can be right.

        Args:
            batch: the rows.
            draw: the random numbers of dropout and noise, which are on while training.
        """

    @torch.no_grad()
    def probabilities(self, rows: Rows) -> Float64[np.ndarray, "N C"]:
        """Probability of each class for each row, in evaluation mode.

        With `num_masks` it is the mean over as many passes with dropout on; the masks are those of the row's number, so that
        they do not depend on what else is in a batch.

        Source: Monte Carlo averaging: Gal and Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016, arXiv:1506.02142;
        on recurrent classifiers: Longpre et al., 2016, arXiv:1611.05104.
        """
        is_training, found = self.training, [np.zeros((0, 0))]
        order: list[np.ndarray] = [np.zeros(0, np.int64)]
        self.eval()
        with self._with_dropout(self.num_masks > 0):
            batch_size = max(1, BATCH_SIZE // max(1, self.num_masks))
            batches = Bucketed(rows.lengths, batch_size, None)
            for _ in range(len(batches)):
                numbers = batches.next()
                found.append(self._mean_probabilities(rows.batch(numbers), rows.is_multi_label))
                order.append(numbers)
        self.train(is_training)
        return np.concatenate(found[1:])[np.argsort(np.concatenate(order))]

    def _mean_probabilities(self, batch: Batch, is_multi_label: bool) -> Float64[np.ndarray, "B C"]:
        times = max(1, self.num_masks)
        repeated = batch.to(next(self.parameters()).device).repeated(times)
        scores = self(repeated, Draw(0, repeated.rows)).double()
        each = torch.sigmoid(scores) if is_multi_label else scores.softmax(-1)
        return each.reshape(len(batch.rows), times, -1).mean(1).cpu().numpy()

    @contextmanager
    def _with_dropout(self, is_on: bool) -> Generator[None]:
        """Dropout as while training, but neither noise nor dropped words."""
        changed = [module for module in self.modules() if isinstance(module, Encoder | RowDropout)] if is_on else []
        for module in changed:
            module.train()
        yield
        for module in changed:
            module.eval()


def loss_of(network: ScoringNetwork, batch: Batch) -> Loss:
    """Mean cross-entropy of a batch in nats; where several labels can be right, also the mean over the labels.

    The masks are drawn by torch's generator and by the numbers of the rows, so that a batch cut into parts sees the same ones.
    """
    batch = batch.to(next(network.parameters()).device)
    scores = network(batch, draw_for(batch.rows))
    if batch.targets.dim() == 2:
        loss = nn.functional.binary_cross_entropy_with_logits(scores, batch.targets.to(scores.dtype))
    else:
        loss = nn.functional.cross_entropy(scores, batch.targets)
    return Loss(loss, None, len(batch.rows))


def rows_of_labels(labels: Sequence[Any], what: str = "labels") -> NamedRows:
    """As `Network.named_rows`, of an output layer with a row a label."""
    return {f"output.{part}": Named(what, labels) for part in ("weight", "bias")}
