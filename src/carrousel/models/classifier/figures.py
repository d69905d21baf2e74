"""How right a classifier is, in figures by name, counted row by row so that no row need be kept."""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Shaped

LEAST = 1e-15  # probability, so that one confident error leaves a finite mean
ALL_FIGURES = ("accuracy", "micro_f1", "macro_f1", "hamming", "log_loss")


class OneLabel:
    """Figures where one class is right: accuracy; macro_f1, the mean of F1 over the classes that occur or are predicted; log_loss
    in nats.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_rows, self.num_right, self.nats = 0, 0, 0.0
        self.hits, self.said, self.there = np.zeros((3, num_classes + 1), np.int64)  # the last class is none of them

    def add(self, probabilities: Float64[np.ndarray, "N C"], targets: Int64[np.ndarray, " N"]) -> None:
        """Count some rows.

        Args:
            probabilities: of each class.
            targets: the number of the right class; -1 where it is none of them, so that nothing can be right.
        """
        predicted, num_classes = probabilities.argmax(1), len(self.hits)
        is_right = predicted == targets
        of_truth = np.where(targets >= 0, probabilities[np.arange(len(targets)), targets], 0.0)
        self.num_rows += len(targets)
        self.num_right += int(is_right.sum())
        self.nats -= float(np.log(np.maximum(of_truth, LEAST)).sum())
        self.hits += np.bincount(predicted[is_right], minlength=num_classes)
        self.said += np.bincount(predicted, minlength=num_classes)
        self.there += np.bincount(targets % num_classes, minlength=num_classes)

    def figures(self) -> dict[str, float]:
        """The figures of all rows so far, at least one."""
        occurs = self.said + self.there > 0
        return {
            "accuracy": self.num_right / self.num_rows,
            "macro_f1": float(f1(self.hits, self.said, self.there)[occurs].mean()),
            "log_loss": self.nats / self.num_rows,
        }


class ManyLabels:
    """Figures where several labels can be right; one is predicted from probability one half on.

    micro_f1, of all decisions together; macro_f1, the mean of F1 over the labels; hamming, the part of wrong decisions; log_loss in
    nats, the mean over all decisions.
    """

    def __init__(self, num_labels: int) -> None:
        self.num_decisions, self.num_wrong, self.nats = 0, 0, 0.0
        self.hits, self.said, self.there = np.zeros((3, num_labels), np.int64)

    def add(self, probabilities: Float64[np.ndarray, "N C"], targets: Shaped[np.ndarray, "N C"]) -> None:
        """Count some rows.

        Args:
            probabilities: of each label.
            targets: more than 0 where it is right.
        """
        is_said, is_right = probabilities >= 0.5, targets > 0
        of_truth = np.where(is_right, probabilities, 1 - probabilities)
        self.num_decisions += targets.size
        self.num_wrong += int((is_said != is_right).sum())
        self.nats -= float(np.log(np.maximum(of_truth, LEAST)).sum())
        self.hits += (is_said & is_right).sum(0)
        self.said += is_said.sum(0)
        self.there += is_right.sum(0)

    def figures(self) -> dict[str, float]:
        """The figures of all rows so far, at least one."""
        return {
            "micro_f1": float(f1(*(counts.sum() for counts in (self.hits, self.said, self.there)))),
            "macro_f1": float(f1(self.hits, self.said, self.there).mean()),
            "hamming": self.num_wrong / self.num_decisions,
            "log_loss": self.nats / self.num_decisions,
        }


def f1(hits: Any, said: Any, there: Any) -> Any:
    """F1 of each count: 2·hits / (said + there), and 0 where nothing is said and nothing is there."""
    return np.where(said + there > 0, 2 * hits / np.maximum(said + there, 1), 0.0)
