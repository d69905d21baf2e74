"""How right a classifier is, in figures by name."""

import numpy as np
from jaxtyping import Bool, Float64, Int64

LEAST = 1e-15  # probability, so that one confident error leaves a finite mean


def figures_of_one(probabilities: Float64[np.ndarray, "N C"], targets: Int64[np.ndarray, " N"]) -> dict[str, float]:
    """Figures where one class is right.

    Args:
        probabilities: of each class.
        targets: the number of the right class; -1 where it is none of them, so that nothing can be right.

    Returns:
        accuracy; macro_f1, the mean of F1 over the classes that occur or are predicted; log_loss in nats.
    """
    predicted = probabilities.argmax(1)
    of_truth = np.where(targets >= 0, probabilities[np.arange(len(targets)), targets], 0.0)
    classes = np.union1d(predicted, targets)
    is_said, is_right = predicted[:, None] == classes, targets[:, None] == classes
    return {
        "accuracy": float((predicted == targets).mean()),
        "macro_f1": float(f1(is_said, is_right).mean()),
        "log_loss": float(-np.log(np.maximum(of_truth, LEAST)).mean()),
    }


def figures_of_many(probabilities: Float64[np.ndarray, "N C"], targets: Bool[np.ndarray, "N C"]) -> dict[str, float]:
    """Figures where several labels can be right; one is predicted from probability one half on.

    Args:
        probabilities: of each label.
        targets: whether it is right.

    Returns:
        micro_f1, of all decisions together; macro_f1, the mean of F1 over the labels; hamming, the part of wrong decisions;
        log_loss in nats, the mean over all decisions.
    """
    is_said = probabilities >= 0.5
    of_truth = np.where(targets, probabilities, 1 - probabilities)
    return {
        "micro_f1": float(f1(is_said.reshape(-1, 1), targets.reshape(-1, 1))[0]),
        "macro_f1": float(f1(is_said, targets).mean()),
        "hamming": float((is_said != targets).mean()),
        "log_loss": float(-np.log(np.maximum(of_truth, LEAST)).mean()),
    }


def f1(is_said: Bool[np.ndarray, "N C"], is_right: Bool[np.ndarray, "N C"]) -> Float64[np.ndarray, " C"]:
    """F1 of each column: 2·hits / (said + right), and 0 where nothing is said and nothing is right."""
    hits = (is_said & is_right).sum(0)
    either = is_said.sum(0) + is_right.sum(0)
    return np.where(either > 0, 2 * hits / np.maximum(either, 1), 0.0)
