"""Figures of each series by itself, whose medians hydrologists report."""

from typing import Any

import numpy as np
import pytest

from carrousel.errors import ConfigError
from carrousel.models.forecaster import KIND, Forecaster, ForecasterNetwork
from carrousel.models.forecaster.forecasts import forecast, measure_each


def test_nse_of_each_series_is_its_definition_and_the_median_is_told() -> None:
    rng, columns = np.random.default_rng(0), dict[str, list[Any]](unique_id=[], ds=[], y=[])
    for k, steps in enumerate((70, 90, 80)):
        columns["unique_id"] += [f"s{k}"] * steps
        columns["ds"] += list(range(steps))
        columns["y"] += rng.normal(k, k + 1, steps).tolist()
    columns["y"][-1] = None
    model = Forecaster(horizon=3, context=8, hidden_size=4, updates=3, batch_size=4, season=4, threads=1, test=0.4)
    network = model.fit(columns, verbose=False).network
    assert isinstance(network, ForecasterNetwork)
    panel, windows = KIND.held_out(network, columns)
    rows = np.arange(len(windows))
    found, plain = measure_each(network, panel, windows, rows), KIND.evaluate(network, columns)
    assert list(found) == ["s0", "s1", "s2"]

    series, _ = windows.places(rows)
    assert len(set(np.bincount(series).tolist())) == 3
    y, point = panel.truth(windows, rows), forecast(network, panel, windows, rows).point
    for k in range(3):
        truth, said = y[:, series == k], point[:, series == k]
        is_seen = ~np.isnan(truth)
        error, spread = (truth - said)[is_seen], truth[is_seen] - truth[is_seen].mean()
        assert found[f"s{k}"]["nse"] == pytest.approx(1 - (error**2).sum() / (spread**2).sum())
        assert found[f"s{k}"]["mae"] == pytest.approx(np.abs(error).mean())
    told = KIND.evaluate_with(network, columns, {"each": True})
    assert {name: dict(part["this model"])["nse"] for name, part in told.parts.items()} == {
        name: figures["nse"] for name, figures in found.items()
    }
    assert not KIND.evaluate_with(network, columns, {"each": False}).parts
    for options, message in (
        ({"each": "s1"}, "evaluate: each is s1, expected true or false. Mend it."),
        ({"each": True, "windows": 2}, "evaluate: each and windows are given, expected one of them. Leave one out."),
    ):
        with pytest.raises(ConfigError) as caught:
            KIND.evaluate_with(network, columns, options)
        assert str(caught.value) == message
    for name in ("nse", "kge"):
        assert plain[name] == pytest.approx(np.median([figures[name] for figures in found.values()]))
