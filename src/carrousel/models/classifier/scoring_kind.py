"""What all kinds of classifier do between data and a run: hold out, make rows, measure, compare, show examples."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
from jaxtyping import Float64, Int64

from carrousel.data.batches import BatchesOf, Bucketed
from carrousel.data.ragged import Ragged
from carrousel.data.splits import a_tenth_of_each
from carrousel.errors import ConfigError, DataError
from carrousel.models.classifier.baselines import Baseline
from carrousel.models.classifier.figures import LEAST
from carrousel.models.classifier.rows import Batch, Rows
from carrousel.models.classifier.scoring import ScoringNetwork, loss_of
from carrousel.models.classifier.sequences import Label, Labelled
from carrousel.models.gates import gates_of
from carrousel.train.kind import Column, Example, Figures, Kind, Prepared
from carrousel.train.settings import Settings

S = TypeVar("S", bound=Settings)
NUM_EXAMPLES = 20


class ScoringKind(Kind[S]):
    """A kind whose networks score classes.

    Attributes:
        Network: of this kind.
        unit: what its data is counted in.
    """

    Network: ClassVar[type[ScoringNetwork]]
    unit: ClassVar[str]

    @abstractmethod
    def read(
        self, path: Path, columns: Mapping[str, Any], where: str, *, is_labelled: bool = True, skip_bad: bool = False
    ) -> Labelled:
        """The sequences in a file of the user's.

        Args:
            columns: what the columns of a table are called.
            is_labelled: whether labels are needed; if not, they are not read.
            skip_bad: count malformed lines and go on.

        Raises:
            DataError: the file cannot be used.
        """

    @abstractmethod
    def of_objects(self, data: Any, where: str) -> Labelled:
        """Python objects: (sequences, labels), or sequences alone."""

    @abstractmethod
    def columns_of(self, settings: S) -> Mapping[str, Any]:
        """What the settings call the columns of a table."""

    @abstractmethod
    def network_of(self, settings: S, train: Labelled, everything: Labelled, where: str) -> ScoringNetwork:
        """A fresh network.

        Args:
            train: the training part, from which all that is counted or measured comes.
            everything: with the held-out part; the labels that exist are those that occur in it.
        """

    @abstractmethod
    def compare(self, network: Any, train: Rows, valid: Rows) -> Mapping[str, Baseline]:
        """Probabilities of models without a network, by name."""

    def columns_in(self, network: Any, batch: Batch) -> Sequence[Column]:
        """The numeric input columns of a batch, where it has some."""
        return ()

    def prepare(self, settings: S, where: str = "train", data: Any = None) -> Prepared:
        """As `Kind.prepare`; `data` is (sequences, labels)."""
        train, valid, everything = self._parts(settings, where, data)
        network = self.network_of(settings, train, everything, where)
        seen, unseen = network.rows(train, where), network.rows(valid, where)
        how: Any = getattr(settings, "train")  # noqa: B009 - every kind has one
        batches = Bucketed(seen.lengths, how.batch_size, how.seed)
        notes: dict[str, Any] = {"padding_saved": batches.padding_saved}
        return Prepared(
            network=network,
            batches=BatchesOf(batches, lambda rows, _: seen.batch(rows)),
            loss=lambda net, batch, carried: loss_of(net, batch),
            evaluate=lambda net: net.figures(unseen, net.probabilities(unseen)),
            monitor="log_loss",
            is_higher_better=False,
            loss_in_monitor=1.0,
            name=Path(train.source).stem if data is None else self.name,
            source=train.source,
            unit=self.unit,
            fingerprint=_fingerprint(seen, unseen),
            size=f"{len(everything):,} {self.unit}; {len(valid):,} are held out",
            baselines=lambda: {
                name: (network.figures(unseen, found), about)
                for name, (found, about) in self.compare(network, seen, unseen).items()
            },
            examples=lambda net: worst(net, valid, unseen),
            gates=lambda net: _gates(net, unseen),
            columns=lambda batch: self.columns_in(network, batch),
            ids=lambda batch: _places(seen, batch.rows.numpy()),
            notes=notes | ({"skipped": everything.report} if everything.report else {}),
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> ScoringNetwork:
        """As `Kind.load`."""
        return self.Network.from_pretrained(folder, where=where)

    def evaluate(self, network: ScoringNetwork, data: Any, where: str = "evaluate") -> Figures:
        """Figures on a file, or on (sequences, labels)."""
        rows = network.rows(self.given(network, data, where, is_labelled=True), where)
        return network.figures(rows, network.probabilities(rows))

    def predict(self, network: ScoringNetwork, data: Any, where: str = "predict", **options: Any) -> Iterator[str]:
        """Label and probability of each sequence of a file or of Python objects, a tab between them.

        Where several labels can be right, there are as many as are likelier than not, with a comma between them, and as many
        probabilities.

        Args:
            options: names of columns, in place of those in training, such as text="body".
        """
        rows = network.rows(self.given(network, data, where, is_labelled=False, **options), where)
        probabilities = network.probabilities(rows)
        for label, row in zip(network.said(rows, probabilities), probabilities, strict=True):
            sure = np.flatnonzero(row >= 0.5) if isinstance(label, tuple) else [row.argmax()]
            yield f"{_shown(label)}\t{','.join(f'{row[k]:.4f}' for k in sure)}"

    def given(self, network: ScoringNetwork, data: Any, where: str, *, is_labelled: bool, **options: Any) -> Labelled:
        if not isinstance(data, str | Path):
            return self.of_objects(data if is_labelled else (data, None), where)
        for name in options:
            if name not in network.columns:
                raise ConfigError(
                    f"{where}: unknown option {name!r}, expected one of {', '.join(network.columns)}. Name a column by it."
                )
        return self.read(Path(data), {**network.columns, **options}, where, is_labelled=is_labelled)

    def _parts(self, settings: S, where: str, data: Any) -> tuple[Labelled, Labelled, Labelled]:
        """The training part, the held-out part, and the first file as a whole."""
        section, how = (getattr(settings, name) for name in ("data", "train"))
        if data is None and section.train is None:
            raise ConfigError(f"{where}: data.train is null, expected the path of a file. Set it: data.train=FILE")
        columns = self.columns_of(settings)
        if data is None:
            everything = self.read(Path(section.train), columns, where, skip_bad=section.skip_bad)
        else:
            everything = self.of_objects(data, where)
        if data is None and section.valid is not None:
            return everything, self.read(Path(section.valid), columns, where, skip_bad=section.skip_bad), everything
        train, valid = held_out(everything, how.seed, where)
        return everything.some(train), everything.some(valid), everything


def held_out(given: Labelled, seed: int, where: str) -> tuple[Int64[np.ndarray, " N"], Int64[np.ndarray, " M"]]:
    """The rows to learn from and the tenth to measure on, each label in both in like parts where it can be.

    Raises:
        DataError: there are fewer than 2 rows.
    """
    if len(given) < 2:
        raise DataError(
            f"{where}: {given.source} has 1 sequence, expected at least 2, to learn from one and measure on the other. Give more."
        )
    return a_tenth_of_each([str(label) for label in given.labels], seed)


def worst(network: ScoringNetwork, given: Labelled, rows: Rows) -> Sequence[Example]:
    """The held-out sequences that the network is most wrong about."""
    probabilities = network.probabilities(rows)
    said = network.said(rows, probabilities)
    losses = _losses(probabilities, rows)
    return [
        Example(_text_of(given, int(k)), _shown(given.labels[int(k)]), _shown(said[int(k)]), float(losses[k]))
        for k in np.argsort(-losses, kind="stable")[:NUM_EXAMPLES]
    ]


def _gates(network: ScoringNetwork, rows: Rows) -> Mapping[str, Any]:
    """The values of the first layer on the first held-out row."""
    layer, x, words = network.first_layer(rows.batch(np.zeros(1, np.int64)))
    return gates_of(layer, x, words)


def _places(rows: Rows, batch: Int64[np.ndarray, " B"]) -> list[str]:
    return [rows.places[int(k)] for k in batch]


def _losses(probabilities: Float64[np.ndarray, "N C"], rows: Rows) -> Float64[np.ndarray, " N"]:
    """Nats of each row; the mean over the labels where several can be right."""
    if rows.is_multi_label:
        of_truth = np.where(rows.targets > 0, probabilities, 1 - probabilities)
        return -np.log(np.maximum(of_truth, LEAST)).mean(1)
    found = np.where(rows.targets >= 0, probabilities[np.arange(len(rows)), rows.targets], 0.0)
    return -np.log(np.maximum(found, LEAST))


def _text_of(given: Labelled, k: int) -> str:
    one: Any = given.sequences[k]
    if isinstance(given.sequences, Ragged):
        steps, channels = one.shape
        return f"{given.places[k]}: {steps:,} steps, {channels:,} channels"
    return " ".join(cast(Sequence[str], one)) if type(one) in (list, tuple) else str(one)


def _shown(label: Label | tuple[Label, ...]) -> str:
    return ",".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _fingerprint(*rows: Rows) -> str:
    digest = hashlib.sha256()
    for each in rows:
        for array in (*(a for part in each.parts for a in (part.values, part.offsets)), each.targets, each.numbers):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
