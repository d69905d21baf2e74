"""Classifiers: the class of a whole text or series."""

from carrousel.models.classifier.estimator import Classifier as Classifier
from carrousel.models.classifier.kind import KIND as KIND
from carrousel.models.classifier.network import ClassifierNetwork as ClassifierNetwork
