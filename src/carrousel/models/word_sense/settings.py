"""The settings of a word-sense classifier."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from carrousel.models.classifier.settings import TextDataSettings, TextModelSettings
from carrousel.train.settings import Settings
from carrousel.train.train_settings import TrainSettings


class SenseDataSettings(TextDataSettings):
    """What is read."""

    text: str = "text"
    """column that holds the text, with $T$ in place of the word in question"""
    target: str = "target"
    """column that holds the word as it stands in the text; it is shown, not read"""
    lemma: str = "lemma"
    """column that holds the lemma, which says what senses are possible"""
    label: str = "sense"
    """column that holds the sense"""
    senses: str | None = None
    """path of a table with the columns lemma and sense, the first sense of a lemma first; null takes the senses that occur"""


class SenseModelSettings(TextModelSettings):
    """What is trained."""

    absent: ClassVar[Mapping[str, str]] = {
        "bidirectional": "a word is read from both sides in any case, from the left and from the right up to it"
    }
    hidden_size: int = Field(default=74, ge=1)
    """units in a layer"""
    feature_size: int = Field(default=200, ge=1)
    """units of the layer that all lemmas share, between the recurrent layers and the senses"""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """probability with which a feature is zeroed while training: inputs, between layers, outputs, shared layer"""
    dropword: float = Field(default=0.1, ge=0, lt=1)
    """probability with which a word is read as <dropped> while training"""
    input_noise: float = Field(default=0.2, ge=0, allow_inf_nan=False)
    """noise added to inputs while training, in their standard deviations"""


class SenseTrainSettings(TrainSettings):
    """How it is trained."""

    epochs: float | None = Field(default=20.0, gt=0)
    """passes over the training data; null where updates says how long"""


class WordSenseSettings(Settings):
    """All settings of a word-sense classifier.

    >>> WordSenseSettings.of({}, ["model.dropword=0"]).model.dropword
    0.0
    """

    kind = "word-sense"

    data: SenseDataSettings = SenseDataSettings()
    model: SenseModelSettings = SenseModelSettings()
    train: SenseTrainSettings = SenseTrainSettings()
