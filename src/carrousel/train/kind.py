"""What a kind of model tells the trainer: its settings, and from settings and data everything a run needs.

A kind is one object of a class that derives from `Kind`; `carrousel.models.KINDS` lists them. `Run` (run.py) does the rest:
folders, checkpoints, resuming, the best weights, reports.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from carrousel.data.guessing import Guess, guess
from carrousel.errors import ConfigError
from carrousel.train.loop import Batches, Loss
from carrousel.train.pictures import Gallery
from carrousel.train.settings import Section, Settings, path_in

S = TypeVar("S", bound=Settings)

Figures = Mapping[str, float]
"""Figure by name, such as {"accuracy": .97}; the same names for a model and for what it is compared with."""


@dataclass(frozen=True)
class Example:
    """One held-out sequence and what the model made of it, for people to look at.

    Attributes:
        given: the input, as text.
        expected: what is right.
        predicted: what the model says.
        loss: nats, or any figure of how bad it is; the report shows the worst first.
    """

    given: str
    expected: str
    predicted: str
    loss: float = 0.0


@dataclass(frozen=True)
class Measured:
    """What a trained network is worth on a user's data.

    Attributes:
        figures: of the network.
        baselines: name -> the same figures of what it is compared with.
        parts: a part of the data, such as a back-test window -> its figures, "this model" first.
        notes: how it was measured, each a sentence.
    """

    figures: Figures
    baselines: Mapping[str, Figures] = field(default_factory=dict[str, Figures])
    parts: Mapping[str, Mapping[str, Figures]] = field(default_factory=dict[str, Mapping[str, Figures]])
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Column:
    """Values of one input column of a batch, for the report on a loss that is not finite.

    Attributes:
        name: of the column.
        values: all its values in the batch, as a flat list.
        mean, std: over the training data.
    """

    name: str
    values: Sequence[float]
    mean: float
    std: float


@dataclass
class Prepared:
    """Everything that a run needs, made from settings and data.

    Attributes:
        network: to be trained, a `carrousel.models.network.Network`.
        batches: of the training data; `len(batches)` is the number of batches in an epoch.
        loss: (network, batch, carried) -> Loss.
        evaluate: network -> figures on held-out data. Runs in evaluation mode, without gradients.
        monitor: name of the figure that says which weights are the best.
        is_higher_better: whether more of that figure is better.
        name: of the run, for its folder, such as "shakespeare".
        source: the data in a few words, such as "sample shakespeare".
        unit: what `Loss.num_seen` counts, such as "characters" or "sentences".
        loss_unit: what the training loss is in: nats, or where it is no -ln p, its name, such as "squared error".
        fingerprint: of the data, the same for the same data; a run is resumed with no other.
        size: how much there is, as a sentence without a full stop, such as "1,000 sentences; 100 are held out".
        loss_in_monitor: what makes the training loss the monitored figure when multiplied with it; None where it is another figure.
        baselines: name -> (its figures, what it is), asked for once, after training.
        examples: network -> some held-out examples, the worst first.
        sample: network -> a text that shows what was learned, or nothing.
        pictures: network -> pictures of what it does on some held-out sequences, or nothing.
        gates: network -> the values of a recurrent layer on one example, as `models.gates.gates_of` makes them, or nothing.
        columns: batch -> its numeric input columns, for kinds that have some.
        ids: batch -> what names its sequences in the user's data, such as file lines.
        store: where the data is kept as numbers and whether it was written just now, as a sentence; empty where it is in memory.
        notes: name -> value: what else belongs in summary.json, such as the padding saved.
    """

    network: nn.Module
    batches: Batches[Any]
    loss: Callable[[Any, Any, Any], Loss]
    evaluate: Callable[[Any], Figures]
    monitor: str
    is_higher_better: bool
    name: str
    source: str
    unit: str
    fingerprint: str
    size: str
    loss_unit: str = "nats"
    loss_in_monitor: float | None = None
    baselines: Callable[[], Mapping[str, tuple[Figures, str]]] = dict
    examples: Callable[[Any], Sequence[Example]] = lambda network: ()
    sample: Callable[[Any], str] = lambda network: ""
    gates: Callable[[Any], Mapping[str, Any] | None] = lambda network: None
    pictures: Callable[[Any], Gallery | None] = lambda network: None
    columns: Callable[[Any], Sequence[Column]] = lambda batch: ()
    ids: Callable[[Any], Sequence[str]] = lambda batch: ()
    store: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Kind(ABC, Generic[S]):
    """A kind of model.

    Attributes:
        name: as the command line and `kind:` in a file call it, such as "language-model".
        about: what it does, in a line.
        Settings: its settings; `Settings.kind` is the name.
        sample: name -> content of the files that `carrousel new` writes beside the settings: real data, some kilobytes.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    Settings: type[S]

    @abstractmethod
    def prepare(self, settings: S, where: str = "train", data: Any = None) -> Prepared:
        """Everything for a run; the initial weights come from torch's generator, which is already seeded.

        Args:
            settings: checked; paths count from the current folder.
            where: what to name in front of an error.
            data: Python objects to learn from, in place of the files that the settings name; each kind says which.

        Raises:
            ConfigError, DataError: settings or data that cannot be used.
        """

    @abstractmethod
    def load(self, folder: Path, where: str = "from_pretrained") -> nn.Module:
        """The network that a run or `save_pretrained` left in a folder, in evaluation mode."""

    @abstractmethod
    def evaluate(self, network: Any, data: Any, where: str = "evaluate", *, skip_bad: bool = False) -> Figures:
        """Figures of a trained network on a file of the user's (a path), or on Python objects.

        Args:
            skip_bad: leave out what is malformed in a file; a `SkippedWarning` counts and names it.
        """

    def evaluate_with(
        self,
        network: Any,
        data: Any,
        options: Mapping[str, Any],
        where: str = "evaluate",
        *,
        skip_bad: bool = False,
    ) -> Measured:
        """As `evaluate`, with options that say how, and beside what it is compared with; a kind that knows some has its own.

        Raises:
            ConfigError: an option that this kind does not know.
        """
        if options:
            raise ConfigError(
                f"{where}: the option {next(iter(options))!r} is given, expected none: the kind {self.name} is measured in one "
                "way. Leave it out."
            )
        return Measured(self.evaluate(network, data, where, skip_bad=skip_bad))

    @abstractmethod
    def predict(
        self, network: Any, data: Any, where: str = "predict", *, skip_bad: bool = False, **options: Any
    ) -> Iterator[str]:
        """Lines of output for a file of the user's (a path), or for Python objects, made as they are asked for.

        Args:
            skip_bad: leave out what is malformed in a file, so that the lines still can be laid beside it: each kind says how.
                A `SkippedWarning` after the last line counts and names it.
        """

    @abstractmethod
    def starter(self) -> Mapping[str, bytes]:
        """What `carrousel new` writes: one commented settings file `NAME.yaml`, and a small sample of real data beside it."""

    def form(self, settings: S, path: Path, where: str = "check") -> Guess:
        """What a file of the user's is and which of its columns count, as the settings say.

        Raises:
            ConfigError, DataError: as `carrousel.data.guessing.guess`.
        """
        return guess(path, self.name, where)

    def absolute(self, settings: S, folder: Path | None, where: str = "train") -> S:
        """Settings whose paths do not depend on where they stand; those from a settings file must lie in its folder.

        Every field of the section `data` whose description starts with "path" is one.

        Args:
            folder: of the settings file, from which its paths count; None for paths from the command line, which may lie anywhere
                and become absolute.
        """
        section: Section = getattr(settings, "data")  # noqa: B009 - every kind has one
        changed: dict[str, Any] = {}
        for name in self.path_names():
            if isinstance(value := getattr(section, name), str):
                path = Path(value).absolute() if folder is None else path_in(folder, value, f"data.{name}", where)
                changed[name] = str(path)
        return settings.model_copy(update={"data": section.model_copy(update=changed)})

    def path_names(self) -> list[str]:
        """The settings of the section `data` that are paths, that of the data to learn from first."""
        section = self.Settings.model_fields["data"].annotation
        assert isinstance(section, type), "every kind has a section data"
        assert issubclass(section, Section), "and it is one"
        return [name for name, about in section.model_fields.items() if (about.description or "").startswith("path")]

    def data_files(self, settings: S) -> tuple[Path | None, Path | None]:
        """The file to learn from and the held-out one, where the settings name them."""
        section: Section = getattr(settings, "data")  # noqa: B009 - every kind has one
        first, *others = self.path_names()
        found = [getattr(section, name) for name in (first, "valid") if name == first or name in others]
        train, valid = [Path(value) if value else None for value in [*found, None][:2]]
        return train, valid
