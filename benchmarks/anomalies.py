"""Does the error of an autoencoder find the place where a series is not what it was?

    python benchmarks/anomalies.py FOLDER [key.sub=value ...]

The series number 135 of the UCR anomaly archive (arterial blood pressure, an internal bleeding): 1,200 steps to learn from, 7,501
to search, of which twelve are marked. The archive's own question is whether the largest score lies within 100 steps of them. The
data is taken out of the package aeon, which is neither installed nor imported; it has no licence of its own and stays in FOLDER.
"""

import sys
from pathlib import Path

import numpy as np
from packages import member_of

from carrousel.models.autoencoder.kind import KIND
from carrousel.models.autoencoder.reading import read_series
from carrousel.models.autoencoder.scores import scores_of
from carrousel.train.run import Run

AEON = "aeon==1.6.0", "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409"
MEMBER = "aeon/datasets/data/KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16_{}.csv"
NEAR = 100
SETTINGS = {
    "data": {"columns": ["value"], "label": "is_anomaly", "window": 64, "stride": 2},
    "model": {"hidden_size": 24},
    "train": {"epochs": 150, "learning_rate": 0.005},
}


def main() -> None:
    """Three seeds."""
    folder, overrides = Path(sys.argv[1]), sys.argv[2:]
    for part in ("TRAIN", "TEST"):
        (folder / f"{part.lower()}.csv").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{part.lower()}.csv").write_bytes(member_of(*AEON, MEMBER.format(part), folder / "packages"))
    for seed in range(3):
        given = [f"data.train={folder}/train.csv", f"train.seed={seed}", *overrides]
        run = Run.start(KIND, KIND.Settings.of(SETTINGS, given), folder / f"run-{seed}")
        for _ in run.train():
            pass
        run.finish()
        network = KIND.load(run.folder.path)
        series = read_series(folder / "test.csv", network.columns, "test")
        assert series.labels is not None
        (scores,), marked = scores_of(network, series), np.flatnonzero(series.labels[0])
        place = int(scores.argmax())
        is_found = marked[0] - NEAR <= place <= marked[-1] + NEAR
        figures = ", ".join(
            f"{name} {value:.3f}" for name, value in KIND.evaluate(network, folder / "test.csv").items()
        )
        print(f"seed {seed}: largest score at step {place:,}, {'found' if is_found else 'missed'}; {figures}")
    print(f"marked: steps {marked[0]:,} to {marked[-1]:,}")


if __name__ == "__main__":
    main()
