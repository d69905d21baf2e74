"""What is shown of windows: where they are, the worst of them, what a batch holds, and what the network does on one."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from jaxtyping import Integer
from torch import Tensor

from carrousel.data.windows import Windows
from carrousel.models.forecaster.forecasts import forecast
from carrousel.models.forecaster.future import intervals
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.panel import Panel
from carrousel.models.gates import gates_of
from carrousel.train.fan import Fan
from carrousel.train.kind import Column, Example
from carrousel.train.pictures import Gallery

NUM_EXAMPLES = 8
NUM_BEFORE = 2  # horizons of the past that a picture shows


def place(panel: Panel, windows: Windows, row: int) -> str:
    """A window by its series and the first time it forecasts."""
    series, origins = windows.places(np.array([row]))
    stamp = int(panel.table.frequency.stamps(int(panel.table.starts[series[0]]), origins)[0])
    return f"{panel.table.names[series[0]]} at {panel.table.text(stamp)}"


def examples(
    network: ForecasterNetwork, panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]
) -> Sequence[Example]:
    """The windows with the largest errors."""
    truth, found = panel.truth(windows, rows), forecast(network, panel, windows, rows)
    errors = np.nan_to_num(np.abs(truth - found.point)).mean(0)
    return [
        Example(
            given=place(panel, windows, int(rows[k])),
            expected=" ".join(f"{value:.4g}" for value in truth[:, k]),
            predicted=" ".join(f"{value:.4g}" for value in found.point[:, k]),
            loss=float(errors[k]),
        )
        for k in np.argsort(-errors)[:NUM_EXAMPLES]
    ]


def pictures(network: ForecasterNetwork, panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Gallery:
    """Forecasts of these windows with their intervals, after twice as many steps of the past, and what came."""
    table, horizon = panel.table, windows.horizon
    percent, levels = intervals(network, None, "train")
    found = forecast(network, panel, windows, rows, levels)
    fans: list[Fan] = []
    places: list[tuple[int, int]] = np.stack(windows.places(rows), 1).tolist()
    for k, (series, origin) in enumerate(places):
        begin = max(0, origin - NUM_BEFORE * horizon)
        steps = np.arange(begin, origin + horizon)
        stamps = table.frequency.stamps(int(table.starts[series]), steps).tolist()
        observed = table.values[series][begin : origin + horizon, 0].tolist()
        ends = [(f"{value:g} %", n, len(levels) - 1 - n) for n, value in enumerate(reversed(percent))]
        fans.append(
            Fan(
                title=table.names[series],
                y_name=table.columns.y,
                times=[table.text(stamp) for stamp in stamps],
                observed=[None if np.isnan(value) else value for value in observed],
                forecast=found.point[:, k].tolist(),
                bands=[(n, *(found.quantiles[:, k, end].tolist() for end in both)) for n, *both in ends],
            )
        )
    named = ", ".join(f"{value:g}" for value in percent)
    bands = f" The bands are the intervals of {named} %, the darkest the narrowest." if percent else ""
    return Gallery(
        "Forecasts", f"Held-out windows: what was observed as a thin line, the forecast dashed.{bands}", fans
    )


def columns(panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]) -> Sequence[Column]:
    """y and the covariates of a batch, scaled, as the network reads them."""
    batch = panel.batch(windows, rows)
    found = [Column(panel.recipe.columns.y, _numbers(batch.y), 0.0, 1.0)]
    for group, names in ((batch.past, panel.recipe.columns.past), (batch.known, panel.recipe.columns.future)):
        input_number = 0
        for name in names:
            found.append(Column(name, _numbers(group[:, :, input_number]), 0.0, 1.0))
            input_number += 1 + (name in panel.recipe.flagged)
    return found


def gates(network: ForecasterNetwork, panel: Panel, windows: Windows, row: int) -> dict[str, Any]:
    """What the encoder does over the context of one window."""
    batch = panel.batch(windows, np.array([row])).to(network.device)
    series, origins = windows.places(np.array([row]))
    steps = origins[0] - int(batch.lengths[0]) + np.arange(int(batch.lengths[0]))
    stamps = panel.table.frequency.stamps(int(panel.table.starts[series[0]]), steps)
    return gates_of(network.encoder, network.read(batch), [panel.table.text(stamp) for stamp in stamps.tolist()])


def _numbers(values: Tensor) -> list[float]:
    return cast(list[float], values.flatten().tolist())
