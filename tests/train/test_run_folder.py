from datetime import datetime
from pathlib import Path

import pytest

from carrousel.train.run_folder import RunFolder, default_path

pytestmark = pytest.mark.tiny


def test_default_paths_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    now = datetime(2026, 2, 3, 4, 5, 6)
    names = ["plays_2026-02-03_04-05-06", "plays_2026-02-03_04-05-06_2", "plays_2026-02-03_04-05-06_3"]
    for name in names:
        assert default_path("plays", now) == Path("runs") / name
        RunFolder.create(default_path("plays", now), {})


def test_a_folder_appears_with_its_first_files_and_may_replace_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    RunFolder.create(tmp_path / "run", {"a.txt": "α", "b.txt": ""})
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["run"]
    assert (tmp_path / "run" / "a.txt").read_text(encoding="utf-8") == "α"


def test_metrics_can_be_cut_back_to_where_they_were(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    folder.add_metrics({"update": 1, "loss": 0.1})
    size = folder.sync_metrics()
    folder.add_metrics({"update": 2, "loss": 0.2})
    assert len(folder.metrics()) == 2
    again = RunFolder(tmp_path / "run")
    again.cut_metrics(size)
    again.add_metrics({"update": 2, "loss": 0.3})
    assert again.metrics() == [{"update": 1, "loss": 0.1}, {"update": 2, "loss": 0.3}]


def test_every_line_of_the_log_has_its_time(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    folder.log("one\ntwo")
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert [line[19:] for line in lines] == ["  one", "  two"]
    assert all(datetime.fromisoformat(line[:19]) for line in lines)
