"""What a classifier is compared with: models without a network that are fitted in a moment."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64, Integer, Shaped

from carrousel.data.ragged import Ragged

NUM_PLACES = 32
MAJORITY = "what is most frequent in the training data"
Baseline = tuple[Float64[np.ndarray, "num_rows num_labels"], str]
"""Probabilities of the classes for each held-out row, and what makes them."""


def shares(
    targets: Shaped[np.ndarray, "N *C"], num_classes: int, num_rows: int
) -> Float64[np.ndarray, "num_rows num_classes"]:
    """How often each class is right in the training data, the same for every row: it predicts the most frequent class."""
    counts = targets.sum(0) if targets.ndim == 2 else np.bincount(targets, minlength=num_classes)
    found = counts / len(targets)
    return np.broadcast_to(found.astype(np.float64), (num_rows, num_classes))


def naive_bayes(
    train: Ragged, targets: Int64[np.ndarray, " N"], valid: Ragged, num_classes: int, num_words: int
) -> Float64[np.ndarray, "M C"]:
    """Multinomial naive Bayes on counts of words, one added to every count.

        P(c | words) ∝ P(c) Π_w P(w | c),    P(w | c) = (n_wc + 1) / (n_c + V)

    Args:
        train, valid: numbers of words.
        targets: class of each training text.
        num_words: V.
    """
    counts = np.ones((num_classes, num_words))
    np.add.at(counts, (np.repeat(targets, train.lengths), train.values), 1)
    of_words = np.log(counts / counts.sum(1, keepdims=True))
    prior = np.bincount(targets, minlength=num_classes) + 1.0
    scores = np.tile(np.log(prior / prior.sum()), (len(valid), 1))
    np.add.at(scores, np.repeat(np.arange(len(valid)), valid.lengths), of_words[:, valid.values].T)
    return _softmax(scores)


def naive_bayes_of_labels(
    train: Ragged, targets: Integer[np.ndarray, "N C"], valid: Ragged, num_words: int
) -> Float64[np.ndarray, "M C"]:
    """Naive Bayes for each label on its own: right or not."""
    columns = [naive_bayes(train, column.astype(np.int64), valid, 2, num_words)[:, 1] for column in targets.T]
    return np.stack(columns, axis=1)


def nearest(
    train: Ragged, targets: Shaped[np.ndarray, "N *C"], valid: Ragged, num_classes: int
) -> Float64[np.ndarray, "M C"]:
    """The label of the training series that is nearest when all are stretched to 32 steps.

    How sure it is follows from how often it is right about training series (the first 1,000) when each is left out.
    """
    known, asked = _stretched(train), _stretched(valid)
    hot = np.eye(num_classes)[targets] if targets.ndim == 1 else targets.astype(np.float64)
    if len(known) == 1:
        return np.broadcast_to(hot, (len(asked), num_classes))
    left_out = np.arange(min(len(known), 1_000))
    wrong = (hot[_nearest(known[left_out], known, left_out)] != hot[left_out]).any(1).sum()
    error = min((wrong + 1) / (len(left_out) + 2), 0.5)
    found = hot[_nearest(asked, known)]
    rest = error / max(num_classes - 1, 1) if targets.ndim == 1 else error
    return np.where(found > 0, 1 - error, np.float64(rest))


def compare_texts(
    train: Ragged, targets: Shaped[np.ndarray, "N *C"], valid: Ragged, num_labels: int, num_words: int
) -> Mapping[str, Baseline]:
    """The baselines of texts by name.

    Args:
        train, valid: numbers of words.
        targets: of the training data.
        num_words: in the vocabulary.
    """
    if targets.ndim == 2:
        bayes = naive_bayes_of_labels(train, targets, valid, num_words)
    else:
        bayes = naive_bayes(train, targets, valid, num_labels, num_words)
    return {
        "majority": (shares(targets, num_labels, len(valid)), MAJORITY),
        "naive Bayes": (bayes, "counts of words or characters, one added to each"),
    }


def compare_series(
    train: Ragged, targets: Shaped[np.ndarray, "N *C"], valid: Ragged, num_labels: int
) -> Mapping[str, Baseline]:
    """The baselines of standardised series by name."""
    about = "the training series that is nearest when all are stretched to 32 steps"
    return {
        "majority": (shares(targets, num_labels, len(valid)), MAJORITY),
        "nearest neighbour": (nearest(train, targets, valid, num_labels), about),
    }


def _stretched(series: Ragged) -> Float64[np.ndarray, "N F"]:
    """Each series at 32 places in equal distances from its first step to its last, between two steps on a straight line."""
    found: list[np.ndarray] = []
    for x in series:
        places = np.linspace(0, len(x) - 1, NUM_PLACES)
        before = places.astype(np.int64)
        after = np.minimum(before + 1, len(x) - 1)
        share = (places - before)[:, None]
        found.append((x[before] * (1 - share) + x[after] * share).ravel())
    return np.stack(found).astype(np.float64)


def _nearest(
    asked: Float64[np.ndarray, "M F"], known: Float64[np.ndarray, "N F"], but: Int64[np.ndarray, " M"] | None = None
) -> Int64[np.ndarray, " M"]:
    """The row of `known` with the least Euclidean distance to each of `asked`, and which is not row `but`."""
    rows: list[np.ndarray] = []
    for begin in range(0, len(asked), 256):  # so that few distances are in memory at a time
        some = asked[begin : begin + 256]
        distances = (known**2).sum(1) - 2 * some @ known.T
        if but is not None:
            distances[np.arange(len(some)), but[begin : begin + 256]] = np.inf
        rows.append(distances.argmin(1))
    return np.concatenate(rows)


def _softmax(scores: Float64[np.ndarray, "N C"]) -> Float64[np.ndarray, "N C"]:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
