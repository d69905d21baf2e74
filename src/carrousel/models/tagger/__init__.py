"""Taggers: a tag for each word of a sentence."""

from carrousel.models.tagger.estimator import Tagger as Tagger
from carrousel.models.tagger.kind import KIND as KIND
from carrousel.models.tagger.network import TaggerNetwork as TaggerNetwork
