"""A file measured by `evaluate` has the figures that a run found on it when it was its held-out data."""

from pathlib import Path

import pytest

from carrousel.models.kinds import KINDS, read_settings, write_starter
from carrousel.train.run import Run

SMALL = ["model.hidden_size=4", "train.updates=3", "train.epochs=null", "train.evaluate_every=3", "train.threads=1"]


@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.parametrize(
    "kind", sorted(set(KINDS) - {"forecaster"})
)  # which holds out dates, and is measured on those after
def test_a_held_out_file_has_the_same_figures_after_training(kind: str, tmp_path: Path) -> None:
    path = write_starter(kind, tmp_path)[0]
    found, settings = read_settings(path)
    file, held_out = found.data_files(settings)
    assert file is not None
    held_out = held_out or shortened(file, tmp_path / f"held_out{file.suffix}")
    found, settings = read_settings(path, [*SMALL, f"data.valid={held_out}"])
    run = Run.start(found, settings, tmp_path / "run")
    for _ in run.train():
        pass
    figures = run.finish().figures
    again = found.evaluate(found.load(tmp_path / "run"), held_out)
    assert again, "and there are some"
    assert set(figures) & set(again) >= {run.prepared.monitor}
    for name in set(figures) & set(again):
        assert again[name] == pytest.approx(figures[name], rel=1e-6, nan_ok=True), name


def shortened(file: Path, to: Path) -> Path:
    """Its first tenth."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    to.write_text("".join(lines[: len(lines) // 10]), encoding="utf-8")
    return to
