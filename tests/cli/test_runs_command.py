"""`carrousel runs` as a user meets it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from run_folders import make_run

from carrousel.cli.runs import runs

pytestmark = pytest.mark.tiny

Command = Callable[..., str]


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """What the command prints in a folder with three runs."""
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs" / "a")
    make_run(tmp_path / "runs" / "b", updates=20, summary=None, learning_rate=0.2)
    make_run(tmp_path / "runs" / "c", files={"summary.json": "{"})

    def call(folder: str = "runs", **options: object) -> str:
        runs(Path(folder), **options)  # pyright: ignore[reportArgumentType]
        return capsys.readouterr().out

    return call


def test_all_runs_are_listed_whole_where_there_is_no_terminal(listed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = [line.split() for line in listed().splitlines()]
    assert lines[0] == ["run", "state", "kind", "accuracy", "loss", "updates", "time", "parameters", "data", "note"]
    assert lines[1] == ["a", "finished", "toy", "0.750", "0.500", "40", "1:05", "1,234", "sample", "toys"]
    assert lines[2] == ["b", "unfinished", "toy", "0.650", "0.050", "20", "0:10"]
    assert lines[3] == ["c", "damaged", "toy", "0.650", "0.025", "40", "0:20", "summary.json", "is", "damaged"]


def test_they_are_sorted_by_a_figure(listed: Command) -> None:
    def names(sort: str) -> list[str]:
        return [line.split()[0] for line in listed(sort=sort).splitlines()[1:]]

    assert names("accuracy") == ["a", "b", "c"]
    assert names("loss") == ["c", "b", "a"]


def test_differing_settings_follow_on_request(listed: Command) -> None:
    lines = listed(differ=True).splitlines()
    assert [line.split() for line in lines[5:]] == [
        ["setting", "a", "b", "c"],
        ["train.learning_rate", "0.1", "0.2", "0.1"],
    ]


def test_json_has_everything_and_is_strict(listed: Command) -> None:
    rows = json.loads(listed(as_json=True), parse_constant=lambda name: pytest.fail(name))
    assert [(row["path"], row["state"], row["figures"]["accuracy"]) for row in rows] == [
        ("runs/a", "finished", 0.75), ("runs/b", "unfinished", 0.65), ("runs/c", "damaged", 0.65),
    ]  # fmt: skip
    assert rows[0]["settings"]["train.clip_norm"] == "inf"


def test_an_empty_folder_says_what_to_do(listed: Command, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert listed("none") == "No runs in none. carrousel train makes one.\n"
    assert json.loads(listed("none", as_json=True)) == []
