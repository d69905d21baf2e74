"""Sequence modules."""

from carrousel.layers.drop_in import GRU as GRU
from carrousel.layers.drop_in import LSTM as LSTM
from carrousel.layers.drop_in import RNN as RNN
from carrousel.layers.recurrent import Recurrent as Recurrent
from carrousel.layers.recurrent import Trace as Trace
