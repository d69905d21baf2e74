from . import errors as errors
from . import init as init
from . import tasks as tasks
from .cell import Cell as Cell
from .cell import Source as Source
from .cells import CELLS as CELLS
from .cells import find as find
from .engine import SlowPathWarning as SlowPathWarning
from .layers import GRU as GRU
from .layers import LSTM as LSTM
from .layers import RNN as RNN
from .layers import Draw as Draw
from .layers import Recurrent as Recurrent
from .layers import Trace as Trace
from .layers import masks as masks
from .models import Autoencoder as Autoencoder
from .models import Classifier as Classifier
from .models import Forecaster as Forecaster
from .models import LanguageModel as LanguageModel
from .models import Seq2Seq as Seq2Seq
from .models import Tagger as Tagger
from .models import TargetClassifier as TargetClassifier
from .models import WordSense as WordSense

__all__: list[str]
