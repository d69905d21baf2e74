"""The kind `classifier`: one class, or several labels, for a whole text or series."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from carrousel.errors import ConfigError
from carrousel.heads.steps import valid_steps
from carrousel.models.classifier.baselines import Baseline, compare_series, compare_texts
from carrousel.models.classifier.files import Source, sequences_in
from carrousel.models.classifier.inputs import SeriesInput, TextInput, split, text_input
from carrousel.models.classifier.network import SIZES, ClassifierNetwork
from carrousel.models.classifier.rows import Batch, Rows
from carrousel.models.classifier.scoring_kind import ScoringKind
from carrousel.models.classifier.sequences import Labelled, Text, labels_in, of_objects
from carrousel.models.classifier.settings import ClassifierSettings
from carrousel.models.samples import sample_files
from carrousel.train.kind import Column


class ClassifierKind(ScoringKind[ClassifierSettings]):
    """The class of a whole sequence."""

    name = "classifier"
    about = "one class, or several labels, for a whole text or multivariate series"
    unit = "sequences"
    Settings = ClassifierSettings
    Network = ClassifierNetwork

    def source(
        self, path: Path, columns: Mapping[str, Any], where: str, *, is_labelled: bool = True, skip_bad: bool = False
    ) -> Source:
        """As `ScoringKind.source`: a table of texts, .ts series, or a folder of arrays."""
        return sequences_in(path, columns, where, is_labelled=is_labelled, skip_bad=skip_bad)

    def of_objects(self, data: Any, where: str) -> Labelled:
        """As `ScoringKind.of_objects`; see `sequences.of_objects`."""
        sequences, labels = data
        return of_objects(sequences, labels, where)

    def columns_of(self, settings: ClassifierSettings) -> Mapping[str, Any]:
        """As `ScoringKind.columns_of`."""
        return settings.data.model_dump(include={"text", "label", "label_separator"})

    def network_of(
        self, settings: ClassifierSettings, train: Labelled, everything: Labelled, where: str
    ) -> ClassifierNetwork:
        """As `ScoringKind.network_of`."""
        model = settings.model
        given = model.model_dump(include={"cell", "pooling", "average_size", "num_masks", *SIZES})
        if train.is_text:
            if model.input_features is not None:
                raise ConfigError(
                    f"{where}: model.input_features is {model.input_features}, expected null for texts, whose words have "
                    "embeddings. Set model.embedding_size."
                )
            data = settings.data
            texts = (split(text, data.unit, data.lowercase) for text in cast(Sequence[Text], train.sequences))
            read = text_input(data, model, texts, data.unit, where)
        else:
            read = _series_input(settings, train, where)
        labels = labels_in(everything, where)
        return ClassifierNetwork(read, labels, everything.is_multi_label, columns=self.columns_of(settings), **given)

    def compare(self, network: ClassifierNetwork, train: Rows) -> Mapping[str, Baseline]:
        """As `ScoringKind.compare`."""
        read, num_labels = network.read, len(network.labels)
        if isinstance(read, TextInput):
            return compare_texts(train.pieces, num_labels, len(read.tokens), lambda rows: rows.parts[0])
        return compare_series(train, num_labels, read.standardised)

    def columns_in(self, network: ClassifierNetwork, batch: Batch) -> Sequence[Column]:
        """The channels of series."""
        if isinstance(network.read, TextInput):
            return ()
        ((values, lengths),) = batch.parts
        steps = values[valid_steps(len(values), lengths)]
        return [
            Column(f"channel {d}", cast(list[float], steps[:, d].tolist()), mean, deviation)
            for d, (mean, deviation) in enumerate(zip(network.read.means, network.read.deviations, strict=True))
        ]

    def starter(self) -> Mapping[str, bytes]:
        """As `Kind.starter`: pieces of sentences in twelve languages."""
        return sample_files("classifier")


def _series_input(settings: ClassifierSettings, train: Labelled, where: str) -> SeriesInput:
    """Channels standardised by the training part.

    Raises:
        ConfigError: a setting that is for texts.
    """
    for section, name, off in (("model", "dropword", 0.0), ("data", "vectors", None)):
        value = getattr(getattr(settings, section), name)
        if value != off:
            raise ConfigError(
                f"{where}: {section}.{name} is {value}, expected none, since {train.source} has series. Leave it out."
            )
    return SeriesInput.of(
        cast(Sequence[np.ndarray], train.sequences),
        settings.model.input_noise,
        settings.data.missing,
        settings.model.input_features,
    )


KIND = ClassifierKind()
