"""A target classifier in three lines of Python."""

from carrousel.models.classifier.estimator import ScoringEstimator
from carrousel.models.target_classifier.kind import KIND
from carrousel.models.target_classifier.network import TargetClassifierNetwork


class TargetClassifier(ScoringEstimator):
    """One class for a target in a text (TD-LSTM, TC-LSTM): each text is (text with `$T$`, target).

    >>> texts = [("the $T$ was cold", "soup"), ("the $T$ was kind", "waiter")]
    >>> TargetClassifier(hidden_size=4, epochs=1).fit(texts, ["bad", "good"]).predict_proba(texts).shape
    (2, 2)
    """

    model_kind = KIND
    Network = TargetClassifierNetwork
