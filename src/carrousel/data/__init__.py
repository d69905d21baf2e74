"""Sequences as arrays: readers, vocabularies, batches, parallel streams, samples, and the baselines a language model has to beat.

Needs NumPy and the standard library only.
"""

from carrousel.data.batches import Bucketed as Bucketed
from carrousel.data.batches import pad as pad
from carrousel.data.faults import Faults as Faults
from carrousel.data.ngram import NGram as NGram
from carrousel.data.ngram import baselines as baselines
from carrousel.data.ngram import xz_bits_per_character as xz_bits_per_character
from carrousel.data.ragged import Ragged as Ragged
from carrousel.data.ragged import RaggedWriter as RaggedWriter
from carrousel.data.streams import Streams as Streams
from carrousel.data.streams import Window as Window
from carrousel.data.text import SAMPLES as SAMPLES
from carrousel.data.text import Corpus as Corpus
from carrousel.data.text import read_corpus as read_corpus
from carrousel.data.text import read_text as read_text
from carrousel.data.text import split as split
from carrousel.data.tokens import Tokens as Tokens
from carrousel.data.vocabulary import CharVocabulary as CharVocabulary
