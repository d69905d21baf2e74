"""The settings of a forecaster."""

from datetime import date
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from carrousel.train.settings import RecurrentSettings, Section, Settings
from carrousel.train.train_settings import TrainSettings


class DataSettings(Section):
    """What is read: a long table, one row a series and time."""

    train: str = "series.csv"
    """path of a table (.csv, .tsv, .jsonl, .parquet) with a row for each series and time"""
    static: str | None = None
    """path of a table with a row for each series, of what does not change in time; null for none"""
    unique_id: str = "unique_id"
    """column that names the series; a table without it is one series"""
    ds: str = "ds"
    """column of the time, or of the number of the step"""
    y: str = "y"
    """column to forecast"""
    past: tuple[str, ...] = ()
    """columns of covariates that are known up to the present only, such as a measured temperature"""
    future: tuple[str, ...] = ()
    """columns of covariates that are known ahead, such as a holiday; a forecast needs their coming values"""
    date_format: str | None = None
    """of the time, such as "%d.%m.%Y"; null for ISO 8601, such as 2024-03-01 05:00"""
    frequency: str | None = None
    """what a step is, such as h, 15min, D, MS; null for what most neighbouring rows have"""
    duplicates: Literal["refuse", "mean", "sum", "first", "last"] = "refuse"
    """what becomes of rows of the same series and time"""
    gaps: Literal["fill", "refuse"] = "fill"
    """what becomes of steps without a row; filled ones count as not observed"""
    skip_bad: bool = False
    """count malformed rows and leave them out"""
    store: str | None = None
    """path of a folder to keep the data in as numbers; null keeps it in memory, or from 256 MB of files on in temporary ones"""
    valid: float | int | str = 0.1
    """first date for validation, or how much of the time it takes; it chooses the weights that are kept"""
    test: float | int | str = 0.1
    """first date of the test, or how much of the time it takes; nothing is learned from it. `carrousel evaluate` measures it"""

    @field_validator("valid", "test", mode="before")
    @classmethod
    def _dates_are_text(cls, value: Any) -> Any:
        """YAML reads 2024-03-01 as a date."""
        return value.isoformat() if isinstance(value, date) else value


class ModelSettings(RecurrentSettings):
    """What is trained."""

    hidden_size: int = Field(default=64, ge=1)
    """units in a layer"""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """probability with which a feature is zeroed while training: between layers, outputs"""
    bidirectional: bool = False
    """read the context in both directions; a recursive decoder then has layers of its own, which start from the states of both"""
    residual: bool = False
    """add the input of a layer to its output, from the second layer on"""
    horizon: int = Field(default=24, ge=1)
    """steps to forecast"""
    context: int = Field(default=168, ge=1)
    """steps read before a forecast"""
    min_context: int | None = Field(default=None, ge=1)
    """fewest steps that a forecast can be made from, for short series; null for the whole context"""
    decoder: Literal["direct", "recursive"] = "direct"
    """direct: all steps at once by a second recurrent layer over the horizon; recursive: one after the other, fed with draws"""
    head: Literal["quantile", "gaussian", "laplace", "student-t", "median", "mean"] = "quantile"
    """what a forecast is: quantiles, a distribution, or one number (the median or the mean)"""
    level: tuple[float, ...] = (50, 80, 95)
    """intervals in percent that the head `quantile` learns, such as 80 for the quantiles .1 and .9; the median always"""
    crossing: Literal["sort", "softplus"] = "sort"
    """how quantiles are kept in order"""
    start_from: Literal["seasonal", "last", "zero"] = "seasonal"
    """what the network's output is added to: the seasonal-naive forecast, the last value, or nothing"""
    season: int | None = Field(default=None, ge=1)
    """steps in a season; null for what the frequency suggests, such as 24 of hours"""
    calendar: bool = True
    """whether the network reads time of day, day of the week and, after a year of training data, time of the year"""
    reads_target: bool = True
    """whether the network reads past values of y; false simulates y from the covariates alone, as hydrologists do"""
    scaling: Literal["standard", "robust", "min-max", "none"] = "standard"
    """of y and covariates, fitted on the training part"""
    per_series: bool = True
    """whether each series has a scaling of its own"""
    num_samples: int = Field(default=200, ge=1)
    """paths that a recursive decoder draws for a forecast"""

    @field_validator("level")
    @classmethod
    def _levels_are_percent(cls, level: tuple[float, ...]) -> tuple[float, ...]:
        for value in level:
            if not 0 < value < 100:
                raise ValueError(f"{value:g} is no interval, expected percent, above 0 and below 100")
        return tuple(sorted(set(level)))

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        if not self.reads_target and self.start_from != "zero":
            raise ValueError(f"start_from is {self.start_from}, expected zero with reads_target=false")
        if self.min_context is not None and self.min_context > self.context:
            raise ValueError(f"min_context is {self.min_context}, expected at most context, {self.context}")
        return self


class ForecasterTrainSettings(TrainSettings):
    """How it is trained."""

    updates: int | None = Field(default=1_000, ge=1)
    """optimiser steps in all; null where epochs says how long"""
    epochs: float | None = Field(default=None, gt=0)
    """passes over the training data; null where updates says how long"""
    batch_size: int = Field(default=64, ge=1)
    """windows read side by side, all processes together"""
    evaluate_every: int | None = Field(default=100, ge=1)
    """updates from one measurement on held-out data to the next; null for once an epoch"""


class ForecasterSettings(Settings):
    """All settings of a forecaster.

    >>> ForecasterSettings.of({"data": {"test": "2024-03-01"}}, ["model.horizon=12"]).model.horizon
    12
    """

    kind = "forecaster"

    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    train: ForecasterTrainSettings = ForecasterTrainSettings()
