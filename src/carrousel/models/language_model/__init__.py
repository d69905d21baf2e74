"""Language models: P(next symbol | all symbols before it)."""

from carrousel.models.language_model.dynamic import DynamicEvaluation as DynamicEvaluation
from carrousel.models.language_model.dynamic import NeuralCache as NeuralCache
from carrousel.models.language_model.dynamic import mean_squares as mean_squares
from carrousel.models.language_model.estimator import LanguageModel as LanguageModel
from carrousel.models.language_model.kind import KIND as KIND
from carrousel.models.language_model.network import LanguageModelNetwork as LanguageModelNetwork
from carrousel.models.language_model.output import Output as Output
from carrousel.models.language_model.regularisation import Regularisation as Regularisation
from carrousel.models.language_model.vocabularies import ByteVocabulary as ByteVocabulary
from carrousel.models.language_model.vocabularies import SubwordVocabulary as SubwordVocabulary
from carrousel.models.language_model.vocabularies import WordVocabulary as WordVocabulary
