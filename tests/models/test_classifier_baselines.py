"""What a classifier is compared with, held against scikit-learn's definitions written out."""

import math

import numpy as np
import pytest

from carrousel.data.ragged import Ragged
from carrousel.models.classifier.baselines import NaiveBayes, Nearest, Targets, shares
from carrousel.models.classifier.figures import ManyLabels, OneLabel, f1

pytestmark = pytest.mark.tiny

TEXTS = Ragged.of([np.array([0, 1]), np.array([1, 1, 2]), np.array([2])])
CLASSES = np.array([0, 1, 1])


def bayes(targets: Targets, asked: Ragged) -> np.ndarray:
    """What naive Bayes says that counted the texts one after the other."""
    model = NaiveBayes(2, 3, targets.ndim == 2)
    for text, target in zip(TEXTS, targets, strict=True):
        model.add(Ragged.of([text]), np.array([target]))
    return model.probabilities(asked)


def test_shares_are_how_often_a_class_is_right() -> None:
    assert shares([CLASSES], 3).tolist() == [1 / 3, 2 / 3, 0]
    assert shares([CLASSES[:1], CLASSES[1:]], 3).tolist() == [1 / 3, 2 / 3, 0]
    assert shares([np.array([[1, 0], [1, 1]])], 2).tolist() == [1, 0.5]


def test_naive_bayes_counts_words_and_adds_one() -> None:
    asked = Ragged.of([np.array([1, 2, 2])])
    found = bayes(CLASSES, asked)
    first = 2 / 5 * (2 / 5) * (1 / 5) ** 2
    second = 3 / 5 * (3 / 7) * (3 / 7) ** 2
    assert found == pytest.approx(np.array([[first, second]]) / (first + second))
    at_once = NaiveBayes(2, 3)
    at_once.add(TEXTS, CLASSES)
    assert (at_once.probabilities(asked) == found).all()


def test_naive_bayes_of_labels_decides_each_alone() -> None:
    targets = np.array([[1, 0], [0, 1], [0, 1]], np.uint8)
    asked = Ragged.of([np.array([1, 2, 2])])
    assert bayes(targets, asked) == pytest.approx(bayes(CLASSES, asked))


def test_the_nearest_series_is_found_after_stretching() -> None:
    rising = [np.linspace(0, 1, length)[:, None] for length in (4, 7, 12)]
    falling = [1 - series for series in rising]
    train = [*rising[:2], *falling[:2]]
    found = Nearest(train, np.array([0, 0, 1, 1]), 3).probabilities(Ragged.of([rising[2], falling[2]]))
    assert found.argmax(1).tolist() == [0, 1]
    assert found.sum(1) == pytest.approx(np.ones(2))
    assert found[0].tolist() == pytest.approx(
        [1 - 1 / 6, 1 / 12, 1 / 12]
    )  # none of four wrong when left out, and one added


def test_one_training_series_is_always_the_nearest() -> None:
    nearest = Nearest([np.ones((3, 2))], np.array([1]), 2)
    assert nearest.probabilities(Ragged.of([np.zeros((2, 2))] * 2)).tolist() == [[0, 1], [0, 1]]


def figures(tally: OneLabel | ManyLabels, probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Those of rows that are counted in two parts."""
    tally.add(probabilities[:1], targets[:1])
    tally.add(probabilities[1:], targets[1:])
    return tally.figures()


def test_figures_where_one_class_is_right() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.6, 0.4, 0.0]])
    found = figures(OneLabel(3), probabilities, np.array([0, 1, 1, -1]))
    assert found["accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx(
        (2 * 1 / (3 + 1) + 2 * 1 / (1 + 2) + 0) / 3
    )  # classes 0, 1 and the unknown one
    assert found["log_loss"] == pytest.approx(-(math.log(0.7) + math.log(0.8) + math.log(0.3) + math.log(1e-15)) / 4)


def test_figures_where_several_labels_are_right() -> None:
    probabilities = np.array([[0.9, 0.5], [0.2, 0.4]])
    found = figures(ManyLabels(2), probabilities, np.array([[True, False], [False, True]]))
    assert found["micro_f1"] == pytest.approx(2 * 1 / (2 + 2))
    assert found["macro_f1"] == pytest.approx((1 + 0) / 2)
    assert found["hamming"] == 0.5
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.5, 0.8, 0.4]).mean())


def test_f1_of_what_never_is_and_never_is_said_is_zero() -> None:
    assert f1(*np.zeros((3, 1), int)).tolist() == [0]
