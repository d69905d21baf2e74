from .autoencoder import Autoencoder as Autoencoder
from .autoencoder import AutoencoderNetwork as AutoencoderNetwork
from .classifier import Classifier as Classifier
from .classifier import ClassifierNetwork as ClassifierNetwork
from .forecaster import Forecaster as Forecaster
from .forecaster import ForecasterNetwork as ForecasterNetwork
from .kinds import KINDS as KINDS
from .kinds import find_kind as find_kind
from .language_model import LanguageModel as LanguageModel
from .language_model import LanguageModelNetwork as LanguageModelNetwork
from .seq2seq import Seq2Seq as Seq2Seq
from .seq2seq import Seq2SeqNetwork as Seq2SeqNetwork
from .tagger import Tagger as Tagger
from .tagger import TaggerNetwork as TaggerNetwork
from .target_classifier import TargetClassifier as TargetClassifier
from .target_classifier import TargetClassifierNetwork as TargetClassifierNetwork
from .word_sense import WordSense as WordSense
from .word_sense import WordSenseNetwork as WordSenseNetwork

__all__: list[str]
