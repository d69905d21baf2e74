"""The sample that `carrousel new autoencoder` writes: what its SOURCE.md says, and that its irregular beats are found."""

from pathlib import Path

from carrousel.models.autoencoder.reading import read_series
from carrousel.models.autoencoder.settings import AutoencoderDataSettings
from carrousel.models.kinds import read_settings, write_starter
from carrousel.train.run import Run

QUICK = ["train.epochs=10", "train.evaluate_every=205", "train.threads=1"]


def test_the_sample_is_what_its_source_says(tmp_path: Path) -> None:
    paths = write_starter("autoencoder", tmp_path)
    assert [path.name for path in paths] == ["autoencoder.yaml", "SOURCE.md", "ecg.csv", "ecg_searched.csv"]
    columns = AutoencoderDataSettings(columns=["millivolts"], series="stretch", label="irregular")
    learned, searched = (read_series(path, columns, "test") for path in paths[2:])
    assert (learned.num_steps, searched.num_steps, searched.channels) == (9_368, 35 * 120, ["millivolts"])
    assert (len(learned.names), min(learned.values.lengths) >= 120) == (31, True)
    assert learned.labels is not None
    assert searched.labels is not None
    assert (learned.labels.values.sum(), searched.labels.values.sum()) == (0, 1_169)


def test_wide_beats_of_the_sample_are_found_and_better_than_without_a_network(
    tmp_path: Path, annotations_unchecked: None
) -> None:
    kind, settings = read_settings(write_starter("autoencoder", tmp_path)[0], QUICK)
    run = Run.start(kind, settings, tmp_path / "run")
    for _ in run.train():
        pass
    summary = run.finish()
    found = {name: baseline["figures"]["roc_auc"] for name, baseline in summary.baselines.items()}
    assert max(found.values()) < 0.82  # mean .813, pca .597
    assert summary.figures["roc_auc"] > 0.9  # .94 to .96 after all 40 epochs
    assert summary.figures["average_precision"] > 0.8
    assert summary.figures["precision"] > 0.8
    assert summary.figures["mse"] < 0.5 * summary.baselines["mean"]["figures"]["mse"]
