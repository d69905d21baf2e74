"""The settings of a target classifier."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from carrousel.models.classifier.settings import TextDataSettings, TextModelSettings
from carrousel.train.settings import Settings
from carrousel.train.train_settings import TrainSettings


class TargetDataSettings(TextDataSettings):
    """What is read."""

    text: str = "text"
    """column that holds the text, with $T$ in place of the target"""
    target: str = "target"
    """column that holds the target: the words that $T$ stands for"""


class TargetModelSettings(TextModelSettings):
    """What is trained."""

    absent: ClassVar[Mapping[str, str]] = {
        "bidirectional": "a target is read from both sides in any case, from the left and from the right up to it"
    }
    target_connection: bool = True
    """join the mean of the target's embeddings to every word (TC-LSTM); false for TD-LSTM"""


class TargetTrainSettings(TrainSettings):
    """How it is trained."""

    epochs: float | None = Field(default=20.0, gt=0)
    """passes over the training data; null where updates says how long"""


class TargetClassifierSettings(Settings):
    """All settings of a target classifier.

    >>> TargetClassifierSettings.of({}, ["model.target_connection=false"]).model.target_connection
    False
    """

    kind = "target-classifier"

    data: TargetDataSettings = TargetDataSettings()
    model: TargetModelSettings = TargetModelSettings()
    train: TargetTrainSettings = TargetTrainSettings()
