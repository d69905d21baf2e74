"""The figures of a model beside those of the forecasts without one, as a table of text."""

from collections.abc import Mapping

from carrousel.models.forecaster.forecasts import is_probabilistic, measure, measure_baselines
from carrousel.models.forecaster.material import MOST_SCORED, Material, spread
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.train import figures as tables

SHOWN = ("mase", "smape", "mae", "rmse", "crps", "nse", "kge", "coverage-80", "coverage-95")


def held_out_table(network: ForecasterNetwork, material: Material) -> str:
    """Figures on the validation windows: a row for the model and for each baseline."""
    panel, windows = material.panel, material.held_out
    rows = spread(len(windows), MOST_SCORED)
    beside = measure_baselines(panel, windows, rows, is_probabilistic(network))
    found = {f"{network.cell.name} forecaster": measure(network, panel, windows, rows)}
    return figures_table(found | {name: values for name, (values, _) in beside.items()})


def figures_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """One row a forecaster, one column a figure.

    >>> print(figures_table({"model": {"mase": 0.5}, "drift": {"mase": 1.25}}))
            mase
    model  0.500
    drift   1.25
    """
    return tables.figures_table({"": {name: in_order(values) for name, values in found.items()}})


def in_order(figures: Mapping[str, float]) -> dict[str, float]:
    """The figures that a table shows, in its order."""
    return {name: figures[name] for name in SHOWN if name in figures}
