"""Does the error of an autoencoder find the place where a series is not what it was?

    python benchmarks/anomalies.py ecg FOLDER [key.sub=value ...]           heart beats: 5 minutes of one record, three seeds
    python benchmarks/anomalies.py pressure FOLDER [key.sub=value ...]      blood pressure: UCR anomaly 135, three seeds
    python benchmarks/anomalies.py sample FOLDER                            write the sample that ships

`ecg` is five minutes of the record 208 of the MIT-BIH Arrhythmia Database (Open Data Commons Attribution License 1.0), as the
package scipy 1.11.4 ships them, which comes without marks. Beats are marked here by a rule, not by a physician: see `marked_beats`.
Learned are the stretches without a marked beat of the first 209 seconds; searched are the last 85.

`pressure` is the series number 135 of the UCR anomaly archive (arterial blood pressure, an internal bleeding): 1,200 steps to learn
from, 7,501 to search, of which twelve are marked. The archive's own question is whether the largest score lies within 100 steps of
them. The data has no licence of its own and stays in FOLDER.

Both are taken out of packages (scipy, aeon), which are neither installed nor imported, and whose hashes are checked. Beside the
network: what needs none (`plain_scores`), on the same windows.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from packages import member_of

from carrousel.data.ragged import Ragged
from carrousel.data.stretches import Stretches
from carrousel.models.autoencoder.kind import KIND
from carrousel.models.autoencoder.network import AutoencoderNetwork
from carrousel.models.autoencoder.reading import read_series
from carrousel.models.autoencoder.scores import detection, scores_of, smoothed
from carrousel.models.autoencoder.series import Series
from carrousel.train.run import Run

SCIPY = (
    "scipy==1.11.4",
    "530f9ad26440e85766509dbf78edcfe13ffd0ab7fec2560ee5c36ff74d6269ff",
    "--python-version=3.11",
    "--platform=manylinux2014_x86_64",
    "--only-binary=:all:",
)
AEON = "aeon==1.6.0", "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409"
MEMBER = "aeon/datasets/data/KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16_{}.csv"
RATE = 360
"""samples of the record in a second"""
EVERY = 3
"""samples that are averaged to a step"""
SEARCHED = 215
"""second from which is searched; from 209 to 213 the electrode was loose"""
NEAR = 100

Parts = tuple[Path, Path]
"""Files to learn from and to search."""


def marked_beats(millivolts: Float64[np.ndarray, " T"]) -> tuple[Int64[np.ndarray, " B"], Bool[np.ndarray, " B"]]:
    """The peaks of the beats, and which beats are wide: above half their height for 40 ms or longer.

    The regular beats of this record take 21 ms (median), ventricular ones some 90, and what is between are fusions of the two.
    A beat is the highest of all samples within a quarter of a second, and above .5 mV.
    """
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(millivolts, RATE // 4), 2 * (RATE // 4) + 1)
    peaks = np.flatnonzero((millivolts == windows.max(1)) & (millivolts > 0.5))
    widths: list[int] = []
    for peak in peaks.tolist():
        is_low = millivolts < millivolts[peak] / 2
        before, after = np.flatnonzero(is_low[:peak]), np.flatnonzero(is_low[peak:])
        widths.append(peak + int(after[0]) - int(before[-1]) - 1 if len(before) and len(after) else 0)
    return peaks, np.array(widths) >= 0.04 * RATE


def levelled(millivolts: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
    """Without what wanders slowly: the median over .6 s of the median over .2 s is taken off."""
    level = millivolts
    for length in (73, 217):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(level, length // 2, mode="edge"), length)
        level = np.concatenate([np.median(some, 1) for some in np.array_split(windows, 100)])
    return millivolts - level


def heart(folder: Path, first: int = 0, last: int = 300) -> Parts:
    """Five minutes at 120 steps a second: the stretches without a wide beat, and what is searched.

    Args:
        folder: into which they are written.
        first, last: seconds of the record that are used.
    """
    package, digest, *options = SCIPY
    with np.load(io.BytesIO(member_of(package, digest, "scipy/misc/ecg.dat", folder / "packages", *options))) as file:
        millivolts = levelled((file["ecg"].astype(int) - 1024) / 200)
    peaks, is_wide = marked_beats(millivolts)
    is_marked = np.zeros(len(millivolts), bool)
    for peak in peaks[is_wide].tolist():
        is_marked[max(0, peak - RATE // 10) : peak + 4 * RATE // 10] = True
    steps = millivolts.reshape(-1, EVERY).mean(1)
    marks: Bool[np.ndarray, " S"] = is_marked.reshape(-1, EVERY).max(1)
    rate = RATE // EVERY
    cut = SEARCHED * rate
    edges = np.flatnonzero(np.diff(np.concatenate([[True], marks[first * rate : (SEARCHED - 6) * rate], [True]])))
    stretches = [slice(a + first * rate, b + first * rate) for a, b in edges.reshape(-1, 2) if b - a >= rate]
    rows = [[f"{k},{value:.3f},0" for value in steps[stretch]] for k, stretch in enumerate(stretches)]
    searched = [f"0,{v:.3f},{int(m)}" for v, m in zip(steps[cut : last * rate], marks[cut : last * rate], strict=True)]
    return written(folder, "ecg", [line for some in rows for line in some], searched, "stretch,millivolts,irregular")


def pressure(folder: Path) -> Parts:
    """The two parts of the series as the package has them."""
    train, test = (
        member_of(*AEON, MEMBER.format(part), folder / "packages").decode().splitlines() for part in ("TRAIN", "TEST")
    )
    return written(folder, "pressure", train[1:], test[1:], train[0])


def written(folder: Path, name: str, train: list[str], test: list[str], header: str) -> Parts:
    """Two tables."""
    paths = (folder / f"{name}.csv", folder / f"{name}_searched.csv")
    for path, lines in zip(paths, (train, test), strict=True):
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return paths


SETS: dict[str, tuple[Callable[[Path], Parts], dict[str, Any]]] = {
    "ecg": (
        heart,
        {
            "data": {"columns": ["millivolts"], "series": "stretch", "label": "irregular", "window": 60, "stride": 6},
            "model": {"hidden_size": 24},
            "train": {"epochs": 40, "learning_rate": 0.01},
        },
    ),
    "pressure": (
        pressure,
        {
            "data": {"columns": ["value"], "label": "is_anomaly", "window": 64, "stride": 2},
            "model": {"hidden_size": 24},
            "train": {"epochs": 150, "learning_rate": 0.005},
        },
    ),
}


def plain_scores(network: AutoencoderNetwork, train: Series, test: Series) -> dict[str, Float64[np.ndarray, " T"]]:
    """What needs no network, smoothed as the network's errors are. Windows are of the same length; a step has the mean over all
    windows that hold it.

    Returns:
        z-score: how many deviations a step is off the mean, either way.
        components: what as many principal components of a window leave as the state has numbers, squared.
        discord: the distance of a window to the nearest one of the training data, as in a matrix profile.
        discord, each window standardised: the same after mean and deviation of each window are taken off.
    """
    size = network.window
    seen, unseen = (
        np.concatenate([
            np.lib.stride_tricks.sliding_window_view((series.values[k][:, 0] - network.means[0]) / network.deviations[0], size)
            for k in range(len(series.names)) if len(series.values[k]) >= size
        ]).astype(np.float64) for series in (train, test)
    )  # fmt: skip
    centre = seen.mean(0)
    _, axes = np.linalg.eigh((seen - centre).T @ (seen - centre))
    basis = axes[:, -network.encoder.hidden_size :]
    left = unseen - centre - (unseen - centre) @ basis @ basis.T
    steps = np.arange(size) + np.arange(len(unseen))[:, None]

    def over_steps(of_windows: Float64[np.ndarray, "N W"]) -> Float64[np.ndarray, " T"]:
        return np.bincount(steps.ravel(), of_windows.ravel()) / np.bincount(steps.ravel())

    found = {
        "z-score": np.abs(test.values.values[:, 0] - network.means[0]) / network.deviations[0],
        "components": over_steps(np.square(left)),
        "discord": over_steps(nearest(unseen, seen)[:, None].repeat(size, 1)),
        "discord, each window standardised": over_steps(
            nearest(standardised(unseen), standardised(seen))[:, None].repeat(size, 1)
        ),
    }
    return {name: smoothed(Stretches.of(Ragged.of([scores])), network.smoothing)[0] for name, scores in found.items()}


def nearest(unseen: Float64[np.ndarray, "N W"], seen: Float64[np.ndarray, "M W"]) -> Float64[np.ndarray, " N"]:
    """Distance of each window to the nearest of the others."""
    squares = np.square(seen).sum(1)
    parts = [
        (np.square(some).sum(1)[:, None] + squares - 2 * some @ seen.T).min(1) for some in np.array_split(unseen, 50)
    ]
    return np.sqrt(np.maximum(np.concatenate(parts), 0))


def standardised(windows: Float64[np.ndarray, "N W"]) -> Float64[np.ndarray, "N W"]:
    """Each window with mean 0 and deviation 1; one that does not change stays 0."""
    centred = windows - windows.mean(1, keepdims=True)
    return centred / np.maximum(centred.std(1, keepdims=True), 1e-6)


def measure(name: str, folder: Path, overrides: list[str]) -> None:
    """Train with three seeds, and search."""
    make, given = SETS[name]
    train, test = make(folder)
    network: AutoencoderNetwork | None = None
    for seed in range(3):
        settings = KIND.Settings.of(given, [f"data.train={train}", f"train.seed={seed}", *overrides])
        run = Run.start(KIND, settings, folder / f"run-{name}-{seed}")
        for _ in run.train():
            pass
        run.finish()
        network = KIND.load(run.folder.path)
        (scores,) = scores_of(network, read_series(test, network.columns, "test"))
        print(f"seed {seed}: {shown(scores, test, network)}; mse {scores.mean():.3f}")
    assert network is not None
    learned, searched = (read_series(path, network.columns, "test") for path in (train, test))
    for baseline, scores in plain_scores(network, learned, searched).items():
        print(f"{baseline}: {shown(scores, test, network)}")


def shown(scores: Float64[np.ndarray, " T"], test: Path, network: AutoencoderNetwork) -> str:
    """Where the largest score is, and how well all of them tell marked steps from others."""
    series = read_series(test, network.columns, "test")
    assert series.labels is not None
    marks = series.labels.values
    place = int(scores.argmax())
    is_found = bool(marks[max(0, place - NEAR) : place + NEAR + 1].any())
    found = detection(scores, marks, float("inf"))
    figures = ", ".join(f"{name} {found[name]:.3f}" for name in ("roc_auc", "average_precision"))
    return f"largest score at step {place:,}, {'within' if is_found else 'not within'} {NEAR} of a mark; {figures}"


def main() -> None:
    """What the first argument says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*SETS, "sample"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "sample":
        heart(given.folder, 100, 250)
    else:
        measure(given.what, given.folder, given.overrides)


if __name__ == "__main__":
    main()
