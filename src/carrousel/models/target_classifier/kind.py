"""The kind `target-classifier`: one class for a marked target in a text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from carrousel.data.ragged import Ragged
from carrousel.models.classifier.baselines import Baseline, compare_texts
from carrousel.models.classifier.files import Source
from carrousel.models.classifier.inputs import text_input
from carrousel.models.classifier.rows import Rows
from carrousel.models.classifier.scoring_kind import ScoringKind
from carrousel.models.classifier.sequences import Labelled, labels_in
from carrousel.models.samples import sample_files
from carrousel.models.target_classifier.marked import marked_in, marked_objects, words_of
from carrousel.models.target_classifier.network import SIZES, TargetClassifierNetwork
from carrousel.models.target_classifier.settings import TargetClassifierSettings

NEAR = 4
"""words at the end of each side, the target one of them"""


class TargetClassifierKind(ScoringKind[TargetClassifierSettings]):
    """What is said of a target in a text."""

    name = "target-classifier"
    about = "one class for a marked target in a text (TD-LSTM, TC-LSTM)"
    unit = "targets"
    Settings = TargetClassifierSettings
    Network = TargetClassifierNetwork

    def source(
        self, path: Path, columns: Mapping[str, Any], where: str, *, is_labelled: bool = True, skip_bad: bool = False
    ) -> Source:
        """As `ScoringKind.source`: a table with the columns text, target and label."""
        return marked_in(path, columns, (columns["target"],), where, is_labelled=is_labelled, skip_bad=skip_bad)

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

    def compare(self, network: TargetClassifierNetwork, train: Rows) -> Mapping[str, Baseline]:
        """As `ScoringKind.compare`; naive Bayes reads the words of both sides, and those near the target by their place."""
        num_labels, num_words = len(network.labels), len(network.read.tokens)
        near = compare_texts(train.pieces, num_labels, 2 * NEAR * num_words, lambda rows: _near(rows, num_words))
        by_place, _ = near["naive Bayes"]
        return {
            **compare_texts(train.pieces, num_labels, num_words, _words_of),
            "naive Bayes nearby": (by_place, "counts of the target and three words on each side of it, by their place"),
        }

    def starter(self) -> Mapping[str, bytes]:
        """As `Kind.starter`."""
        return sample_files("target-classifier")


def _near(rows: Rows, num_words: int) -> Ragged:
    """Numbers of the words next to the target, another number for each place: both sides end with the target."""
    return Ragged.of(
        np.concatenate([
            words[::-1][:NEAR].astype(np.int64) + num_words * (NEAR * side + np.arange(min(NEAR, len(words))))
            for side, words in enumerate(sides)
        ])
        for sides in zip(*rows.parts[:2], strict=True)
    )  # fmt: skip


def _words_of(rows: Rows) -> Ragged:
    """The words of both sides."""
    return Ragged.of(map(np.concatenate, zip(*rows.parts[:2], strict=True)))


KIND = TargetClassifierKind()
