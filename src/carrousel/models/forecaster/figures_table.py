"""The figures of a model beside those of the forecasts without one, as a table of text."""

from collections.abc import Mapping

import numpy as np

from carrousel.models.forecaster.forecasts import is_probabilistic, measure, measure_baselines
from carrousel.models.forecaster.kind import MOST_SCORED, spread
from carrousel.models.forecaster.material import Material
from carrousel.models.forecaster.network import ForecasterNetwork

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
    names = [name for name in SHOWN if any(name in values for values in found.values())]
    rows = [["", *names]]
    for name, values in found.items():
        rows.append([name, *(_shown(values.get(figure, np.nan)) for figure in names)])
    widths = [max(len(row[k]) for row in rows) for k in range(len(names) + 1)]
    aligned = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    return "\n".join("  ".join(row).rstrip() for row in aligned)


def _shown(value: float) -> str:
    return "" if np.isnan(value) else f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"
