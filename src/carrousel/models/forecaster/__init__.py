"""Forecasts of time series: direct and recursive, with quantiles or distributions, covariates and baselines."""

from carrousel.models.forecaster.estimator import Forecaster
from carrousel.models.forecaster.future import Forecast
from carrousel.models.forecaster.kind import KIND
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.settings import ForecasterSettings

__all__ = ["KIND", "Forecast", "Forecaster", "ForecasterNetwork", "ForecasterSettings"]
