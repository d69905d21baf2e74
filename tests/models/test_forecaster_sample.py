"""The project that `carrousel new forecaster` begins, trained as it stands."""

from pathlib import Path

import numpy as np
import pytest

from carrousel.models.forecaster import KIND, ForecasterNetwork, ForecasterSettings
from carrousel.models.forecaster.forecasts import measure_baselines
from carrousel.train.run import Run


@pytest.mark.slow
def test_the_sample_is_forecast_better_than_by_seasonal_naive(tmp_path: Path, annotations_unchecked: None) -> None:
    for name, content in KIND.starter().items():
        (tmp_path / name).write_bytes(content)
    settings = ForecasterSettings.from_yaml((tmp_path / "forecaster.yaml").read_text(encoding="utf-8"))
    run = Run.start(KIND, KIND.absolute(settings, tmp_path), tmp_path / "run")
    for _ in run.train():
        pass
    summary = run.finish()
    naive = summary.baselines["seasonal-naive"]["figures"]
    assert summary.figures["mase"] < naive["mase"]
    assert summary.figures["crps"] < 0.8 * naive["crps"]

    network, data = KIND.load(tmp_path / "run"), tmp_path / "electricity.csv"
    assert isinstance(network, ForecasterNetwork)
    panel, windows = KIND.held_out(network, data)
    naive, _ = measure_baselines(panel, windows, np.arange(len(windows)), with_crps=True)["seasonal-naive"]
    tested = KIND.evaluate(network, data)
    assert tested["mase"] < 0.95 * naive["mase"]
    assert tested["crps"] < 0.8 * naive["crps"]
    assert 70 < tested["coverage-80"] < 95
