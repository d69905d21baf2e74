"""Sequence modules."""

from carrousel.layers import masks as masks
from carrousel.layers.draw import Draw as Draw
from carrousel.layers.drop_in import GRU as GRU
from carrousel.layers.drop_in import LSTM as LSTM
from carrousel.layers.drop_in import RNN as RNN
from carrousel.layers.recurrent import Recurrent as Recurrent
from carrousel.layers.recurrent import Trace as Trace
