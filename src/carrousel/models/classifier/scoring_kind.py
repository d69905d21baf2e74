"""What all kinds of classifier do between data and a run: hold out, make rows, measure, compare, show examples."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import nlargest
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import numpy as np
from jaxtyping import Float64

from carrousel.data.batches import BatchesOf, Bucketed
from carrousel.data.faults import Faults, tell_skipped
from carrousel.data.guessing import Guess, guess
from carrousel.data.kept import size_of
from carrousel.errors import ConfigError
from carrousel.models.classifier.baselines import Baseline
from carrousel.models.classifier.figures import LEAST
from carrousel.models.classifier.files import Piece, Source
from carrousel.models.classifier.given import Given, held_out
from carrousel.models.classifier.rows import Batch, Rows, fingerprint_of
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
    def source(
        self, path: Path, columns: Mapping[str, Any], where: str, *, is_labelled: bool = True, skip_bad: bool = False
    ) -> Source:
        """A file of the user's with sequences.

        Args:
            columns: what the columns of a table are called.
            is_labelled: whether labels are needed; if not, they are not read.
            skip_bad: count malformed lines and go on.
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
    def compare(self, network: Any, train: Rows) -> Mapping[str, Baseline]:
        """Models without a network, fitted to the training rows, by name."""

    def columns_in(self, network: Any, batch: Batch) -> Sequence[Column]:
        """The numeric input columns of a batch, where it has some."""
        return ()

    def form(self, settings: S, path: Path, where: str = "check") -> Guess:
        """As `Kind.form`: series where it holds some, else a table of texts."""
        found = guess(path, self.name, where)
        columns = self.columns_of(settings)
        return found if found.form == "cases" else Guess("labelled", self.name, (columns["text"], columns["label"]))

    def prepare(self, settings: S, where: str = "train", data: Any = None) -> Prepared:
        """As `Kind.prepare`; `data` is (sequences, labels)."""
        given = self._given(settings, where, data)
        network = self.network_of(settings, given.train, given.everything, where)
        seen, unseen = given.rows(network, where)
        how: Any = getattr(settings, "train")  # noqa: B009 - every kind has one
        batches = Bucketed(seen.lengths, how.batch_size, how.seed)
        notes: dict[str, Any] = {"padding_saved": batches.padding_saved}
        report = given.everything.report
        return Prepared(
            network=network,
            batches=BatchesOf(batches, lambda rows, _: seen.batch(rows)),
            loss=lambda net, batch, carried: loss_of(net, batch),
            evaluate=lambda net: net.measured(unseen.pieces()),
            monitor="log_loss",
            is_higher_better=False,
            loss_in_monitor=1.0,
            name=Path(given.train.source).stem if data is None else self.name,
            source=given.train.source,
            unit=self.unit,
            fingerprint=fingerprint_of(seen, unseen),
            size=f"{len(given.everything):,} {self.unit}; {len(given.valid):,} are held out",
            baselines=lambda: {
                name: (network.measured(unseen.pieces(), found), about)
                for name, (found, about) in self.compare(network, seen).items()
            },
            examples=lambda net: worst(net, given.valid, unseen),
            gates=lambda net: _gates(net, unseen),
            columns=lambda batch: self.columns_in(network, batch),
            ids=lambda batch: [seen.place(int(k)) for k in batch.rows.tolist()],
            store=given.told(),
            notes=notes | ({"skipped": report} if report else {}),
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> ScoringNetwork:
        """As `Kind.load`."""
        return self.Network.from_pretrained(folder, where=where)

    def evaluate(
        self, network: ScoringNetwork, data: Any, where: str = "evaluate", *, skip_bad: bool = False
    ) -> Figures:
        """Figures on a file, or on (sequences, labels)."""
        faults = Faults(where, skip_bad)
        pieces = self.pieces(network, data, faults, is_labelled=True)
        figures = network.measured(rows for piece in _numbered(network, pieces, where) for rows in piece.rows)
        tell_skipped(faults.report())
        return figures

    def predict(
        self,
        network: ScoringNetwork,
        data: Any,
        where: str = "predict",
        *,
        skip_bad: bool = False,
        **options: Any,
    ) -> Iterator[str]:
        """Label and probability of each sequence of a file or of Python objects, a tab between them.

        Where several labels can be right, there are as many as are likelier than not, with a comma between them, and as many
        probabilities. Of what is malformed and skipped there is a line with the tab alone.

        Args:
            options: names of columns, in place of those in training, such as text="body".
        """
        faults = Faults(where, skip_bad)
        pieces = self.pieces(network, data, faults, is_labelled=False, **options)
        for piece in _numbered(network, pieces, where):
            lines = _lines(network, piece.rows)
            yield from (next(lines) if is_there else "\t" for is_there in piece.is_there)
        tell_skipped(faults.report())

    def given(self, network: ScoringNetwork, data: Any, where: str, *, is_labelled: bool) -> Labelled:
        """The sequences of a file or Python objects, all of them."""
        if not isinstance(data, str | Path):
            return self.of_objects(data if is_labelled else (data, None), where)
        return self.source(Path(data), network.columns, where, is_labelled=is_labelled).kept()[0]

    def pieces(
        self, network: ScoringNetwork, data: Any, faults: Faults, *, is_labelled: bool, **options: Any
    ) -> Iterable[Piece]:
        """The same, of a file some thousands at a time; `options` name columns."""
        where = faults.where
        if not isinstance(data, str | Path):
            given = self.given(network, data, where, is_labelled=is_labelled)
            return [Piece(given, [True] * len(given))]
        for name in options:
            if name not in network.columns:
                raise ConfigError(
                    f"{where}: unknown option {name!r}, expected one of {', '.join(network.columns)}. Name a column by it."
                )
        return self.source(Path(data), {**network.columns, **options}, where, is_labelled=is_labelled).pieces(faults)

    def _given(self, settings: S, where: str, data: Any) -> Given:
        """The data that the settings name, or Python objects, in a part to learn from and one to measure on."""
        section, how = (getattr(settings, name) for name in ("data", "train"))
        if data is not None:
            everything = self.of_objects(data, where)
            return Given(everything, held_out(everything, how.seed, where))
        if section.train is None:
            raise ConfigError(f"{where}: data.train is null, expected the path of a file. Set it: data.train=FILE")
        folder, columns = None if section.store is None else Path(section.store), self.columns_of(settings)
        files = [(name, Path(path)) for name in ("train", "valid") if (path := getattr(section, name)) is not None]
        read = [
            self.source(path, columns, where, skip_bad=section.skip_bad).kept(None if folder is None else folder / name)
            for name, path in files
        ]
        train = read[0][0]
        measured = read[1][0] if len(read) == 2 else held_out(train, how.seed, where)
        return Given(train, measured, folder, [kept for _, kept in read], [size_of([path]) for _, path in files])


class _Numbered(NamedTuple):
    """A piece of the data as the network reads it, its rows numbered through all pieces."""

    rows: Iterable[Rows]
    is_there: Sequence[bool]


def _numbered(network: ScoringNetwork, pieces: Iterable[Piece], where: str) -> Iterator[_Numbered]:
    first = 0
    for given, is_there in pieces:
        rows = replace(network.rows(given, where), first=first).pieces() if len(given) else ()
        yield _Numbered(rows, is_there)
        first += len(given)


def _lines(network: ScoringNetwork, pieces: Iterable[Rows]) -> Iterator[str]:
    """Label and probability of each row, as `predict` writes them."""
    for rows in pieces:
        probabilities = network.probabilities(rows)
        for label, row in zip(network.said(rows, probabilities), probabilities, strict=True):
            sure = np.flatnonzero(row >= 0.5) if isinstance(label, tuple) else [row.argmax()]
            yield f"{_shown(label)}\t{','.join(f'{row[k]:.4f}' for k in sure)}"


def worst(network: ScoringNetwork, given: Labelled, rows: Rows) -> Sequence[Example]:
    """The held-out sequences that the network is most wrong about."""
    chosen = nlargest(NUM_EXAMPLES, _said(network, rows), key=lambda found: found[0])
    return [
        Example(_text_of(given, row), _shown(given.labels[row]), _shown(label), loss) for loss, row, label in chosen
    ]


def _said(network: ScoringNetwork, rows: Rows) -> Iterator[tuple[float, int, Label | tuple[Label, ...]]]:
    """Of each row what it costs, its number, and what the network says."""
    for piece in rows.pieces():
        probabilities = network.probabilities(piece)
        losses, said = _losses(probabilities, piece), network.said(piece, probabilities)
        yield from zip(losses.tolist(), range(piece.first, piece.first + len(piece)), said, strict=True)


def _gates(network: ScoringNetwork, rows: Rows) -> Mapping[str, Any]:
    """The values of the first layer on the first held-out row."""
    layer, x, words = network.first_layer(rows.batch(np.zeros(1, np.int64)))
    return gates_of(layer, x, words)


def _losses(probabilities: Float64[np.ndarray, "N C"], rows: Rows) -> Float64[np.ndarray, " N"]:
    """Nats of each row; the mean over the labels where several can be right."""
    if rows.is_multi_label:
        of_truth = np.where(rows.targets > 0, probabilities, 1 - probabilities)
        return -np.log(np.maximum(of_truth, LEAST)).mean(1)
    found = np.where(rows.targets >= 0, probabilities[np.arange(len(rows)), rows.targets], 0.0)
    return -np.log(np.maximum(found, LEAST))


def _text_of(given: Labelled, k: int) -> str:
    one: Any = given.sequences[k]
    if isinstance(one, np.ndarray):
        series = cast(np.ndarray, one)
        return f"{given.places[k]}: {series.shape[0]:,} steps, {series.shape[1]:,} channels"
    return " ".join(cast(Sequence[str], one)) if type(one) in (list, tuple) else str(one)


def _shown(label: Label | tuple[Label, ...]) -> str:
    return ",".join(map(str, label)) if isinstance(label, tuple) else str(label)
