"""The settings of a classifier."""

from typing import Literal

from pydantic import Field

from carrousel.train.settings import RecurrentSettings, Section, Settings
from carrousel.train.train_settings import TrainSettings


class TextDataSettings(Section):
    """What is read, in all kinds of classifier."""

    train: str | None = None
    """path of the training data: a table of texts and labels (.csv, .tsv, .jsonl, .parquet)"""
    valid: str | None = None
    """path of held-out data like it; null holds out a tenth of the training data, drawn by train.seed"""
    text: str = "text"
    """column that holds the text"""
    label: str = "label"
    """column that holds the label"""
    lowercase: bool = True
    """read text in lower case"""
    min_count: int = Field(default=1, ge=1)
    """a word that occurs less often in the training data is read as unknown"""
    max_words: int | None = Field(default=None, ge=1)
    """size of the vocabulary at most, the most frequent words; null for no limit"""
    vectors: str | None = None
    """path of word vectors (GloVe, word2vec or fastText text) to start the embeddings with; null starts them at random"""
    store: str | None = None
    """path of a folder to keep the data in as numbers; null keeps it in memory, or from 256 MB of files on in temporary ones"""
    skip_bad: bool = False
    """count malformed lines and go on; if not, the first one is an error"""


class ClassifierDataSettings(TextDataSettings):
    """What is read."""

    train: str | None = None
    """path of the training data: a table of texts and labels (.csv, .tsv, .jsonl, .parquet), .ts series, or a folder of arrays"""
    label_separator: str | None = None
    """what stands between several labels of one text, such as ","; null where each has exactly one label"""
    unit: Literal["word", "char"] = "word"
    """what a text is cut into: word or char"""
    missing: Literal["refuse", "mean"] = "refuse"
    """what a missing value (NaN) of a series is read as: mean, the channel's mean in the training data, or refuse"""


class TextModelSettings(RecurrentSettings):
    """What is trained, in all kinds of classifier."""

    embedding_size: int = Field(default=100, ge=1)
    """features of a word or character as the first layer reads it"""
    residual: bool = False
    """add the input of a layer to its output, from the second layer on"""
    dropword: float = Field(default=0.0, ge=0, lt=1)
    """probability with which a word is read as <dropped> while training"""
    input_noise: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """noise added to inputs while training, in their standard deviations"""
    num_masks: int = Field(default=0, ge=0)
    """dropout masks over which probabilities are averaged when predicting (Monte Carlo); 0 for one pass without dropout"""


class ClassifierModelSettings(TextModelSettings):
    """What is trained."""

    bidirectional: bool = True
    """read the sequence backwards, too"""
    pooling: Literal["last", "mean", "max", "attention"] = "last"
    """one vector from the outputs of all steps: last, mean, max or attention"""
    average_size: int = Field(default=0, ge=0)
    """units of a layer over the mean of the inputs, read beside the pooled outputs (deep vector averaging); 0 for none"""


class ClassifierTrainSettings(TrainSettings):
    """How it is trained."""

    epochs: float | None = Field(default=20.0, gt=0)
    """passes over the training data; null where updates says how long"""


class ClassifierSettings(Settings):
    """All settings of a classifier.

    >>> ClassifierSettings.of({}, ["model.pooling=attention", "model.cell=gru"]).model.pooling
    'attention'
    """

    kind = "classifier"

    data: ClassifierDataSettings = ClassifierDataSettings()
    model: ClassifierModelSettings = ClassifierModelSettings()
    train: ClassifierTrainSettings = ClassifierTrainSettings()
