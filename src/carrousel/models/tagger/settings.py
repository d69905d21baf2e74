"""The settings of a tagger."""

from typing import Literal

from pydantic import Field

from carrousel.train.settings import RecurrentSettings, Section, Settings
from carrousel.train.train_settings import TrainSettings


class TaggerDataSettings(Section):
    """What is read."""

    train: str | None = None
    """path of tagged sentences to learn from: CoNLL columns, or CoNLL-U (.conllu)"""
    valid: str | None = None
    """path of held-out sentences like it; null holds out a tenth of the training sentences, drawn by train.seed"""
    word_column: int | str | None = None
    """column of the words: a number from 0, or a name in CoNLL-U; null for FORM there, for 0 elsewhere"""
    tag_column: int | str | None = None
    """column of the tags: a number, -1 for the last one, or a name in CoNLL-U; null for UPOS there, for -1 elsewhere"""
    scheme: Literal["keep", "bio", "iobes"] = "keep"
    """how tags of spans are learned: bio, iobes, or keep for as they are written; predictions are written as the data is"""
    lowercase: bool = False
    """look words up in lower case; characters stay as they are"""
    zero_digits: bool = False
    """read every digit as 0"""
    min_count: int = Field(default=1, ge=1)
    """a word that occurs less often in the training sentences is read as unknown"""
    vectors: str | None = None
    """path of word vectors to start with (GloVe or word2vec text, or .npy with .words beside it); null starts at random"""
    max_vectors: int | None = Field(default=100_000, ge=1)
    """vectors of words outside the training sentences to keep, from the front of the file; they stay as they are. null for all"""
    store: str | None = None
    """path of a folder to keep the data in as numbers; null keeps it in memory, or from 256 MB of files on in temporary ones"""
    skip_bad: bool = False
    """leave out sentences with malformed lines and count them; if not, the first one is an error"""


class TaggerModelSettings(RecurrentSettings):
    """What is trained."""

    hidden_size: int = Field(default=100, ge=1)
    """units in a layer and direction"""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """probability with which a feature is zeroed for a whole sentence while training: inputs, between layers, outputs"""
    bidirectional: bool = True
    """read the sentence in both directions; false for scores that depend on the words up to their own"""
    residual: bool = False
    """add the input of a layer to its output, from the second layer on"""
    word_size: int | None = Field(default=None, ge=1)
    """features of a word; null for as many as the vectors have, or 100"""
    characters: Literal["none", "lstm", "cnn"] = "lstm"
    """what reads the letters of a word: none, lstm (both directions) or cnn"""
    character_size: int = Field(default=25, ge=1)
    """features of a letter"""
    spelling_size: int = Field(default=50, ge=2)
    """features that the letters of a word give, both directions together"""
    unknown_rate: float = Field(default=0.5, ge=0, le=1)
    """probability with which a word that occurs once is read as unknown while training"""
    tanh_size: int = Field(default=0, ge=0)
    """units of a tanh layer between the recurrent layers and the scores; 0 for none"""
    head: Literal["crf", "crf-pairs", "softmax"] = "crf"
    """crf, crf-pairs (the scores of neighbouring tags depend on the words), or softmax (each tag for itself)"""
    constrained: bool = True
    """with a crf: tags that break the data's scheme (BIO, IOB1, IOBES) have probability 0"""
    loss_per: Literal["token", "sentence"] = "token"
    """what the loss is the mean over: token or sentence, which makes gradients larger by the length of a sentence"""


class TaggerTrainSettings(TrainSettings):
    """How it is trained."""

    epochs: float | None = Field(default=15.0, gt=0, allow_inf_nan=False)
    """passes over the training data; null where updates says how long"""
    batch_size: int = Field(default=16, ge=1)
    """sentences read side by side, all processes together"""
    learning_rate: float = Field(default=5e-3, gt=0, lt=1e30, allow_inf_nan=False)
    """at its peak"""


class TaggerSettings(Settings):
    """All settings of a tagger.

    >>> TaggerSettings.of({}, ["model.characters=cnn", "data.tag_column=3"]).data.tag_column
    3
    """

    kind = "tagger"

    data: TaggerDataSettings = TaggerDataSettings()
    model: TaggerModelSettings = TaggerModelSettings()
    train: TaggerTrainSettings = TaggerTrainSettings()
