"""The kind `target-classifier`: one class for a marked target in a text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from carrousel.data.ragged import Ragged
from carrousel.models.classifier.baselines import Baseline, compare_texts
from carrousel.models.classifier.inputs import text_input
from carrousel.models.classifier.rows import Rows
from carrousel.models.classifier.scoring_kind import ScoringKind
from carrousel.models.classifier.sequences import Labelled, labels_in
from carrousel.models.samples import sample_files
from carrousel.models.target_classifier.marked import marked_objects, read_marked, words_of
from carrousel.models.target_classifier.network import SIZES, TargetClassifierNetwork
from carrousel.models.target_classifier.settings import TargetClassifierSettings


class TargetClassifierKind(ScoringKind[TargetClassifierSettings]):
    """What is said of a target in a text."""

    name = "target-classifier"
    about = "one class for a marked target in a text (TD-LSTM, TC-LSTM)"
    unit = "targets"
    Settings = TargetClassifierSettings
    Network = TargetClassifierNetwork

    def read(
        self, path: Path, columns: Mapping[str, Any], where: str, *, is_labelled: bool = True, skip_bad: bool = False
    ) -> Labelled:
        """As `ScoringKind.read`: a table with the columns text, target and label."""
        return read_marked(path, columns, (columns["target"],), where, is_labelled=is_labelled, skip_bad=skip_bad)

    def of_objects(self, data: Any, where: str) -> Labelled:
        """As `ScoringKind.of_objects`: (text with $T$, target) pairs."""
        sequences, labels = data
        return marked_objects(sequences, labels, where)

    def columns_of(self, settings: TargetClassifierSettings) -> Mapping[str, Any]:
        """As `ScoringKind.columns_of`."""
        return settings.data.model_dump(include={"text", "target", "label"})

    def network_of(
        self, settings: TargetClassifierSettings, train: Labelled, everything: Labelled, where: str
    ) -> TargetClassifierNetwork:
        """As `ScoringKind.network_of`."""
        given = settings.model.model_dump(include={"cell", "target_connection", "num_masks", *SIZES})
        texts = words_of(train, settings.data.lowercase)
        read = text_input(settings.data, settings.model, texts, "word", where)
        return TargetClassifierNetwork(read, labels_in(everything, where), columns=self.columns_of(settings), **given)

    def compare(self, network: TargetClassifierNetwork, train: Rows, valid: Rows) -> Mapping[str, Baseline]:
        """As `ScoringKind.compare`; naive Bayes reads the words of both sides."""
        seen, unseen = (Ragged.of(map(np.concatenate, zip(*rows.parts[:2], strict=True))) for rows in (train, valid))
        return compare_texts(seen, train.targets, unseen, len(network.labels), len(network.read.tokens))

    def starter(self) -> Mapping[str, bytes]:
        """As `Kind.starter`; sentences that were made up, since no data of this kind that may be passed on is known."""
        return sample_files("target-classifier")


KIND = TargetClassifierKind()
