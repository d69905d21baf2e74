"""A forecaster in three lines of Python."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast

from carrousel.data.readers.series import SeriesTable
from carrousel.data.readers.static import Static
from carrousel.errors import ConfigError
from carrousel.models.estimator import Estimator
from carrousel.models.forecaster.backtest import BackTest, cross_validate
from carrousel.models.forecaster.figures_table import held_out_table
from carrousel.models.forecaster.future import Forecast, forecast_ahead
from carrousel.models.forecaster.kind import KIND
from carrousel.models.forecaster.material import Material, read_data, read_like
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.settings import ForecasterSettings


class Forecaster(Estimator):
    """Forecasts of the next steps of one series or many.

        model = Forecaster(cell="lstm", horizon=24).fit(df)
        model.predict(level=[80, 95]).plot("forecast.png")

    Args:
        settings: as `Estimator`; among them horizon, context, season, cell, hidden_size, head, and for the columns of the table
            unique_id, ds, y, past (covariates known up to the present) and future (those known ahead).
    """

    model_kind = KIND
    Network = ForecasterNetwork
    _history: tuple[SeriesTable, Static | None] | None = None
    _like: str | None = None

    def fit(
        self,
        data: Any = None,
        *,
        run: str | Path | None = None,
        finetune: str | Path | None = None,
        static: Any = None,
        verbose: bool = True,
        progress: bool = False,
    ) -> Self:
        """Train on a long table, and print the figures beside those of persistence, seasonal-naive, drift and the mean.

        Args:
            data: a path, a frame of pandas, polars or pyarrow, or a mapping of columns, in rows of unique_id, ds, y and covariates;
                left out where the settings name a file.
            run: folder to keep settings, metrics, checkpoints and the report in; left out, they are not kept.
            finetune: folder of a trained model, of this kind or another, to start from: `carrousel train --finetune`.
            static: a table with a row a series, of what does not change in time.
            verbose: print the table of figures, which are those of the validation part.
            progress: show how far it is: a bar on a terminal, lines elsewhere.
        """
        settings = cast(ForecasterSettings, self.settings)
        self._history, self._like = read_data(settings.data, (data, static), self._where()), _library(data)
        super().fit(self._history, run=run, finetune=finetune, progress=progress)
        if verbose:
            print(held_out_table(self._own_network(), Material.of(settings, self._history, self._where())))
        return self

    def predict(self, data: Any = None, *, static: Any = None, level: Any = None) -> Forecast:
        """The steps after the last observed y of each series.

        Args:
            data: history, and rows of the horizon (y empty) where the model reads covariates known ahead; left out, the table that
                was fitted.
            static: as in `fit`.
            level: intervals in percent, such as [80, 95]; left out, those that were learned.

        Returns:
            Columns by name: unique_id, ds, forecast, lo-80, hi-80 ...; `.frame()` gives a frame of the library that `data` was of.

        Raises:
            ConfigError: the head has no such intervals, or there is no history.
            DataError: a series is too short, or coming values of a covariate are missing.
        """
        like = self._like
        if data is None:
            table, fixed = self._known_history()
        else:
            table, fixed = read_like(self._own_network(), (data, static), self._where())
            like = _library(data)
        return forecast_ahead(self._own_network(), table, fixed, level, self._where(), like)

    def cross_validation(
        self,
        data: Any = None,
        n_windows: int = 1,
        step: int | None = None,
        *,
        static: Any = None,
        level: Any = None,
        refit: bool = False,
    ) -> BackTest:
        """Back-test: learn from what lies before a date, forecast the horizon after it, and compare with what came.

        This object's own network is left alone.

        Args:
            data: as in `fit`; left out, the table that was fitted.
            n_windows: dates from which forecasts are made; the last horizon ends with the data.
            step: from one date to the next; a horizon when left out.
            static: as in `fit`.
            level: intervals in percent.
            refit: learn anew for each date; else once, from what lies before the first.

        Returns:
            Columns as `predict`, with `cutoff` (the last time known) and `y`; `.figures` beside the baselines.
        """
        settings, where = cast(ForecasterSettings, self.settings), self._where()
        table, fixed = self._known_history() if data is None else read_data(settings.data, (data, static), where)
        valid = settings.data.valid if isinstance(settings.data.valid, float) else 0.1
        inner = settings.model_copy(update={"data": settings.data.model_copy(update={"test": 0.0, "valid": valid})})

        def learn(table: SeriesTable, static: Static | None) -> ForecasterNetwork:
            fresh = type(self)(**{name: dict(section) for name, section in inner})
            return fresh.fit(table, static=static, verbose=False)._own_network()

        horizon = settings.model.horizon
        found = cross_validate(
            learn, table, fixed, horizon, n_windows, horizon if step is None else step, refit, level, where
        )
        return replace(found, like=self._like if data is None else _library(data))

    def _own_network(self) -> ForecasterNetwork:
        return cast(ForecasterNetwork, self.network)

    def _known_history(self) -> tuple[SeriesTable, Static | None]:
        if self._history is None:
            raise ConfigError(
                f"{self._where()}: there is no history to forecast from, expected a table. Give predict(data)."
            )
        return self._history


def _library(data: Any) -> str | None:
    """The library of a frame: "pandas", "polars" or "pyarrow"."""
    name = type(data).__module__.partition(".")[0]
    return name if name in ("pandas", "polars", "pyarrow") else None
