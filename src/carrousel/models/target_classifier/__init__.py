"""Target classifiers: what is said of a target in a text."""

from carrousel.models.target_classifier.estimator import TargetClassifier as TargetClassifier
from carrousel.models.target_classifier.kind import KIND as KIND
from carrousel.models.target_classifier.network import TargetClassifierNetwork as TargetClassifierNetwork
