"""Word senses: which of its lemma's senses a word has."""

from carrousel.models.word_sense.estimator import WordSense as WordSense
from carrousel.models.word_sense.kind import KIND as KIND
from carrousel.models.word_sense.network import WordSenseNetwork as WordSenseNetwork
