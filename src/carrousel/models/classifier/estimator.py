"""A classifier in three lines of Python."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from jaxtyping import Float64

from carrousel.models.classifier.kind import KIND
from carrousel.models.classifier.network import ClassifierNetwork
from carrousel.models.classifier.scoring import ScoringNetwork
from carrousel.models.classifier.scoring_kind import ScoringKind
from carrousel.models.classifier.sequences import Label
from carrousel.models.estimator import Estimator


class ScoringEstimator(Estimator):
    """What the Python classes of all kinds of classifier share; scikit-learn can clone, cross-validate and search them."""

    _estimator_type = "classifier"

    def fit(  # pyright: ignore[reportIncompatibleMethodOverride] - labels come second in scikit-learn
        self,
        data: Any = None,
        y: Any = None,
        *,
        run: str | Path | None = None,
        finetune: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Train, and keep the weights that were best on held-out data.

        Args:
            data: sequences, or the path of a file; left out where the settings name files.
            y: a label of each sequence, or a list of labels where several can be right; left out for files.
            run: folder to keep settings, metrics, checkpoints and the report in; left out, they are not kept.
            finetune: folder of a trained model, of this kind or another, to start from: `carrousel train --finetune`.
            progress: show how far it is: a bar on a terminal, lines elsewhere.
        """
        return super().fit(data if y is None else (data, y), run=run, finetune=finetune, progress=progress)

    @property
    def classes_(self) -> np.ndarray:
        """The labels, in the order of the columns of `predict_proba`."""
        return _array(cast(ClassifierNetwork, self.network).labels)

    def predict_proba(self, data: Any) -> Float64[np.ndarray, "N C"]:
        """Probability of each class for each sequence; each label on its own where several can be right."""
        network, rows = self._rows(data)
        return network.probabilities(rows)

    def predict(self, data: Any) -> np.ndarray | list[tuple[Label, ...]]:
        """The label of each sequence; where several can be right, a tuple of all that are likelier than not."""
        network, rows = self._rows(data)
        said = network.said(rows, network.probabilities(rows))
        return cast(list[tuple[Label, ...]], said) if rows.is_multi_label else _array(said)

    def score(self, data: Any, y: Any) -> float:
        """Accuracy; where several labels can be right, F1 of all decisions together."""
        figures = self.evaluate((data, y))
        return figures["accuracy"] if "accuracy" in figures else figures["micro_f1"]

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn wants to know of a classifier."""
        utils = import_module("sklearn.utils")  # only scikit-learn itself asks
        return utils.Tags("classifier", utils.TargetTags(required=True), classifier_tags=utils.ClassifierTags())

    def _rows(self, data: Any) -> tuple[ScoringNetwork, Any]:
        network = cast(ScoringNetwork, self.network)
        kind = cast(ScoringKind[Any], self.model_kind)
        return network, network.rows(kind.given(network, data, self._where(), is_labelled=False), self._where())


class Classifier(ScoringEstimator):
    """The class of a whole sequence, learned from texts or multivariate series; settings as `carrousel train` takes them.

    >>> texts, labels = ["what a film", "dull and long"], ["good", "bad"]
    >>> Classifier(hidden_size=4, epochs=1).fit(texts, labels).predict_proba(["a dull film"]).shape
    (1, 2)
    """

    model_kind = KIND
    Network = ClassifierNetwork


def _array(labels: Any) -> np.ndarray:
    """Labels as one array, of objects where they are of several types."""
    types = {type(label) for label in cast(Sequence[object], labels)}
    return np.array(labels) if len(types) <= 1 else np.array(labels, dtype=object)
