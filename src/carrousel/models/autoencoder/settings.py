"""The settings of an autoencoder."""

from pydantic import Field

from carrousel.train.settings import RecurrentSettings, Section, Settings
from carrousel.train.train_settings import TrainSettings


class AutoencoderDataSettings(Section):
    """What is read."""

    train: str | None = None
    """path of a table (.csv, .tsv, .jsonl, .parquet), one row a time step, in the order of time"""
    valid: str | None = None
    """path of held-out data like it; null holds out the last tenth of every series"""
    columns: list[str] | None = None
    """columns of numbers, the channels; null for all but those of series and label"""
    series: str | None = None
    """column that names the series a row belongs to; null where there is one"""
    label: str | None = None
    """column that is 1 where a step is an anomaly and 0 elsewhere, for measuring alone; null where nobody knows"""
    window: int = Field(default=100, ge=2)
    """steps that are read, and written again, at a time"""
    stride: int = Field(default=50, ge=1)
    """steps from the start of one window to that of the next"""
    skip_bad: bool = False
    """count malformed lines and go on; if not, the first one is an error"""
    store: str | None = None
    """path of a folder to keep the data in as numbers; null keeps it in memory, or from 256 MB of files on in temporary ones"""


class AutoencoderModelSettings(RecurrentSettings):
    """What is trained."""

    hidden_size: int = Field(default=32, ge=1)
    """units in a layer: all that is known of a window passes through its state"""
    bidirectional: bool = False
    """read a window in both directions; decoders start from the states of both, mapped to one"""
    residual: bool = False
    """add the input of a layer to its output, from the second layer on"""
    horizon: int = Field(default=0, ge=0)
    """steps after the window to predict from the same state; 0 for none"""


class AnomalySettings(Section):
    """What counts as an anomaly."""

    smoothing: int | None = Field(default=None, ge=1)
    """steps around each over which errors are averaged into its score; null for half a window, 1 for none"""
    quantile: float = Field(default=0.999, gt=0, lt=1)
    """part of the steps of the training data whose score lies below the threshold"""


class AutoencoderTrainSettings(TrainSettings):
    """How it is trained."""

    epochs: float | None = Field(default=30.0, gt=0, allow_inf_nan=False)
    """passes over the training data; null where updates says how long"""
    learning_rate: float = Field(default=5e-3, gt=0, lt=1e30, allow_inf_nan=False)
    """at its peak"""


class AutoencoderSettings(Settings):
    """All settings of an autoencoder.

    >>> AutoencoderSettings.of({}, ["data.window=64", "model.horizon=8"]).model.horizon
    8
    """

    kind = "autoencoder"

    data: AutoencoderDataSettings = AutoencoderDataSettings()
    model: AutoencoderModelSettings = AutoencoderModelSettings()
    anomaly: AnomalySettings = AnomalySettings()
    train: AutoencoderTrainSettings = AutoencoderTrainSettings()
