"""What a classifier is compared with: models without a network that are fitted in a moment.

They look at training rows a piece at a time, so that the data may be larger than memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

import numpy as np
from jaxtyping import Float, Float64, Int64, Shaped

from carrousel.data.ragged import Ragged
from carrousel.models.classifier.rows import Rows

NUM_PLACES = 32
MOST_BYTES = 1 << 26  # of stretched series to find the nearest among
NUM_LEFT_OUT = 1_000
DISTANCES_AT_ONCE = 1 << 18
MAJORITY = "what is most frequent in the training data"
Baseline = tuple[Callable[[Rows], Float64[np.ndarray, "M C"]], str]
"""Rows -> probabilities of their classes, and what makes them."""
Targets = Shaped[np.ndarray, "N *C"]


def shares(targets: Iterable[Targets], num_classes: int) -> Float64[np.ndarray, " C"]:
    """How often each class is right in the training data: who gives them for every row predicts the most frequent class.

    Args:
        targets: those of some rows after the other.
    """
    counts, num_rows = np.zeros(num_classes), 0
    for some in targets:
        counts += some.sum(0) if some.ndim == 2 else np.bincount(some, minlength=num_classes)
        num_rows += len(some)
    return counts / num_rows


class NaiveBayes:
    """Multinomial naive Bayes on counts of words, one added to every count.

        P(c | words) ∝ P(c) Π_w P(w | c),    P(w | c) = (n_wc + 1) / (n_c + V)

    Where several labels can be right, each is decided on its own: right or not.

    Args:
        num_classes: of the labels.
        num_words: V.
        has_several: whether several labels can be right.
    """

    def __init__(self, num_classes: int, num_words: int, has_several: bool = False) -> None:
        self.has_several = has_several
        self.counts = np.zeros((num_classes, num_words))  # n_wc
        self.all_counts = np.zeros(num_words)  # of all texts, whatever their labels
        self.num_texts, self.num_right = 0, np.zeros(num_classes)

    def add(self, words: Ragged, targets: Targets) -> None:
        """Count the words of some training texts."""
        num_words = len(self.all_counts)
        self.num_texts += len(targets)
        if not self.has_several:
            np.add.at(self.counts, (np.repeat(targets, words.lengths), words.values), 1)
            self.num_right += np.bincount(targets, minlength=len(self.num_right))
            return
        self.num_right += targets.sum(0)
        self.all_counts += np.bincount(words.values, minlength=num_words)
        for counts, column in zip(self.counts, targets.T, strict=True):
            is_counted = np.repeat(column > 0, words.lengths)
            counts += np.bincount(words.values[is_counted], minlength=num_words)

    def probabilities(self, words: Ragged) -> Float64[np.ndarray, "M C"]:
        """Of the classes of some texts."""
        if not self.has_several:
            return _bayes(self.counts, self.num_right, words)
        columns = [
            _bayes(np.stack([self.all_counts - counts, counts]), np.array([self.num_texts - right, right]), words)[:, 1]
            for counts, right in zip(self.counts, self.num_right, strict=True)
        ]
        return np.stack(columns, axis=1)


def _bayes(
    counts: Float64[np.ndarray, "C V"], num_right: Float64[np.ndarray, " C"], words: Ragged
) -> Float64[np.ndarray, "M C"]:
    of_words = np.log((counts + 1) / (counts + 1).sum(1, keepdims=True))
    prior = np.log((num_right + 1) / (num_right + 1).sum())
    return _softmax(np.stack([prior + of_words[:, text].sum(1) for text in words]))


class Nearest:
    """The label of the training series that is nearest when all are stretched to 32 steps.

    How sure it is follows from how often it is right about training series (the first 1,000) when each is left out.

    Args:
        series: (T, D), those of the training rows.
        targets: what is right for them.
        num_classes: of the labels.
    """

    def __init__(self, series: Iterable[Float[np.ndarray, "..."]], targets: Targets, num_classes: int) -> None:
        self.known = _stretched(series)
        self.hot = np.eye(num_classes)[targets] if targets.ndim == 1 else targets.astype(np.float64)
        left_out = np.arange(min(len(self.known), NUM_LEFT_OUT))
        self.error = 0.0
        if len(self.known) > 1:
            found = _nearest(self.known[left_out], self.known, left_out)
            wrong = (self.hot[found] != self.hot[left_out]).any(1).sum()
            self.error = min((wrong + 1) / (len(left_out) + 2), 0.5)
        self.rest = self.error / max(num_classes - 1, 1) if targets.ndim == 1 else self.error

    def probabilities(self, series: Ragged) -> Float64[np.ndarray, "M C"]:
        """Of the classes of some series."""
        found = self.hot[_nearest(_stretched(series), self.known)]
        return np.where(found > 0, 1 - self.error, np.float64(self.rest))


def compare_texts(
    train: Callable[[], Iterator[Rows]], num_labels: int, num_words: int, words_of: Callable[[Rows], Ragged]
) -> Mapping[str, Baseline]:
    """The baselines of texts by name.

    Args:
        train: the training rows, a piece at a time.
        num_words: in the vocabulary.
        words_of: numbers of the words of some rows.
    """
    pieces = train()
    first = next(pieces)
    bayes = NaiveBayes(num_labels, num_words, first.is_multi_label)
    for piece in chain([first], pieces):
        bayes.add(words_of(piece), piece.targets)
    return {
        "majority": _majority(train, num_labels),
        "naive Bayes": (
            lambda rows: bayes.probabilities(words_of(rows)),
            "counts of words or characters, one added to each",
        ),
    }


def compare_series(train: Rows, num_labels: int, standardised: Callable[[Ragged], Ragged]) -> Mapping[str, Baseline]:
    """The baselines of series by name.

    Args:
        train: the training rows.
        standardised: series in standard deviations of their channels.
    """
    num_features = train.parts[0].values.shape[1]
    most = max(NUM_LEFT_OUT, MOST_BYTES // (8 * NUM_PLACES * num_features))
    rows = np.arange(len(train)) if len(train) <= most else np.linspace(0, len(train) - 1, most).astype(np.int64)
    within = rows if train.chosen is None else train.chosen[rows]
    few = Rows(train.parts, train.targets, train.places, train.numbers, within)
    series = (one for piece in few.pieces() for one in standardised(piece.parts[0]))
    nearest = Nearest(series, train.targets[within], num_labels)
    among = "" if len(rows) == len(train) else f", among {len(rows):,} of {len(train):,}"
    about = f"the training series that is nearest when all are stretched to 32 steps{among}"
    return {
        "majority": _majority(train.pieces, num_labels),
        "nearest neighbour": (lambda rows: nearest.probabilities(standardised(rows.parts[0])), about),
    }


def _majority(train: Callable[[], Iterator[Rows]], num_labels: int) -> Baseline:
    found = shares((piece.targets for piece in train()), num_labels)
    return lambda rows: np.broadcast_to(found, (len(rows), num_labels)), MAJORITY


def _stretched(series: Iterable[Float[np.ndarray, "..."]]) -> Float64[np.ndarray, "N F"]:
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
    at_once = max(1, DISTANCES_AT_ONCE // len(known))
    for begin in range(0, len(asked), at_once):
        some = asked[begin : begin + at_once]
        distances = (known**2).sum(1) - 2 * some @ known.T
        if but is not None:
            distances[np.arange(len(some)), but[begin : begin + at_once]] = np.inf
        rows.append(distances.argmin(1))
    return np.concatenate(rows)


def _softmax(scores: Float64[np.ndarray, "N C"]) -> Float64[np.ndarray, "N C"]:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)
