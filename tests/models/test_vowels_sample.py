"""The sample that `carrousel new classifier --sample vowels` writes: what its SOURCE.md says, and what is reached on it."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from carrousel.models.classifier import KIND
from carrousel.models.kinds import read_settings, write_starter
from carrousel.train.run import Run

QUICK = ["train.epochs=2", "model.hidden_size=16", "train.evaluate_every=100"]


def test_the_sample_is_what_its_source_says(tmp_path: Path) -> None:
    paths = write_starter("classifier", tmp_path, "vowels")
    assert [path.name for path in paths] == ["classifier.yaml", "SOURCE.md", "vowels_test.ts", "vowels_train.ts"]
    told = paths[1].read_text(encoding="utf-8")
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() in told for path in paths[2:])
    tested, learned = (KIND.source(path, {}, "test").kept()[0] for path in paths[2:])
    assert (len(learned), len(tested)) == (270, 370)
    assert Counter(learned.labels) == dict.fromkeys("123456789", 30)
    assert [count for _, count in sorted(Counter(tested.labels).items())] == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    for part, longest in ((learned, 26), (tested, 29)):
        series = [np.asarray(one) for one in part.sequences]
        assert {one.shape[1] for one in series} == {12}
        assert (min(map(len, series)), max(map(len, series))) == (7, longest)


def test_the_settings_of_the_sample_train(tmp_path: Path, annotations_unchecked: None) -> None:
    accuracy = _accuracy(tmp_path, QUICK)
    assert accuracy > 0.3  # a ninth by chance


@pytest.mark.slow
def test_speakers_are_told_apart(tmp_path: Path, annotations_unchecked: None) -> None:
    assert _accuracy(tmp_path) >= 0.97  # .976 to .981 with three seeds


def _accuracy(folder: Path, overrides: list[str] | None = None) -> float:
    kind, settings = read_settings(write_starter("classifier", folder, "vowels")[0], overrides or [])
    run = Run.start(kind, settings, folder / "run")
    for _ in run.train():
        pass
    return kind.evaluate(kind.load(folder / "run"), folder / "vowels_test.ts")["accuracy"]
