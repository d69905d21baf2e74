"""The sample that `carrousel new forecaster --sample rainfall` writes: its counts, and what it says of static inputs."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from carrousel.data.readers.series import SeriesColumns, read_series
from carrousel.data.readers.static import read_static
from carrousel.models.forecaster import KIND
from carrousel.models.forecaster.forecasts import measure_each
from carrousel.models.kinds import read_settings, write_starter
from carrousel.train.run import Run

QUICK = ["train.updates=4", "model.hidden_size=8", "model.context=40", "train.evaluate_every=4"]
RIVERS = [
    "Fulda", "Fish", "Green", "Stony", "Oswayo", "French Broad", "Homochitto", "North Fork", "Bayou Grand Cane", "Naselle",
]  # fmt: skip


def test_the_sample_is_what_its_source_says(tmp_path: Path) -> None:
    paths = write_starter("forecaster", tmp_path, "rainfall")
    names = ["forecaster.yaml", "LICENSE-SPOTPY", "SOURCE.md", "catchments.csv", "rainfall.csv"]
    assert [path.name for path in paths] == names
    told = paths[2].read_text(encoding="utf-8")
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() in told for path in paths[3:])

    columns = SeriesColumns("catchment", "day", "discharge", future=("rain", "temperature"))
    table = read_series(paths[4], columns)
    assert sorted(table.names) == sorted(RIVERS)
    assert set(table.values.lengths.tolist()) == {8 * 365 + 2}
    gaps = {name: int(np.isnan(part).sum()) for name, part in zip(table.names, table.values, strict=True)}
    assert {name: count for name, count in gaps.items() if count} == {"Bayou Grand Cane": 7}

    static = read_static(paths[3], table.names, "catchment")
    assert list(static.columns) == ["area", "mean_rain", "aridity", "snow", "wet_days"]
    for name, part, mean, wet in zip(
        table.names, table.values, static.columns["mean_rain"], static.columns["wet_days"], strict=True
    ):
        rain = part[:1_826, 1]
        assert float(mean) == pytest.approx(rain.mean(), abs=0.01), name
        assert float(wet) == pytest.approx((rain >= 1).mean(), abs=0.01), name


@pytest.mark.parametrize("given", [[], ["data.static=null"]], ids=["static", "none"])
def test_the_settings_of_the_sample_train(given: list[str], tmp_path: Path, annotations_unchecked: None) -> None:
    found = _nse(tmp_path, [*QUICK, *given])
    assert list(found) == RIVERS
    assert np.isfinite(list(found.values())).all()


@pytest.mark.slow
def test_discharge_is_simulated_and_better_with_static_inputs(tmp_path: Path, annotations_unchecked: None) -> None:
    with_static, without = _nse(tmp_path / "a", []), _nse(tmp_path / "b", ["data.static=null"])
    median, median_without = (float(np.median(list(found.values()))) for found in (with_static, without))
    assert median > 0.55  # .617 to .676 with three seeds, without static inputs .401 to .463
    assert median > median_without + 0.1
    assert with_static["Fulda"] > 0.7  # .81, mean of three seeds, and .52


def _nse(folder: Path, overrides: list[str]) -> dict[str, float]:
    """Of each catchment, on the last two years."""
    _, settings = read_settings(write_starter("forecaster", folder, "rainfall")[0], overrides)
    run = Run.start(KIND, settings, folder / "run")
    for _ in run.train():
        pass
    network, data = KIND.load(folder / "run"), folder / "rainfall.csv"
    panel, windows = KIND.held_out(network, (data, folder / "catchments.csv") if settings.data.static else data)
    found = measure_each(network, panel, windows, np.arange(len(windows)))
    return {name: figures["nse"] for name, figures in found.items()}
