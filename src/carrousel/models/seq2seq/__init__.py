"""Sequence to sequence: pronunciations from letters, sentences from sentences, orders from sets."""

from carrousel.models.seq2seq.estimator import AttentionMap as AttentionMap
from carrousel.models.seq2seq.estimator import Seq2Seq as Seq2Seq
from carrousel.models.seq2seq.kind import KIND as KIND
from carrousel.models.seq2seq.network import Seq2SeqNetwork as Seq2SeqNetwork
