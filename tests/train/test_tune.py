"""A search over settings: what is drawn, ended early, tried again after a kill, gone on with, and shared."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_kind import ToySettings, find_toy

from carrousel.errors import ConfigError, DataError
from carrousel.train import study as store
from carrousel.train.search import Search, read_search
from carrousel.train.tune import Tuning, tune
from carrousel.train.tune_findings import findings
from carrousel.train.tune_report import write_study
from carrousel.train.tune_workers import tune_with

optuna = pytest.importorskip("optuna")

SPACE = "{train.learning_rate: {low: 1e-3, high: 1, log: true}, model.start: {low: -1, high: 1}}"


def search_of(tmp_path: Path, search: str = f"{{space: {SPACE}, pruner: none}}", rest: str = "") -> Search:
    path = tmp_path / "toy.yaml"
    path.write_text(f"kind: toy\n{rest}\nsearch: {search}\n")
    return read_search(path, find_toy)


def tuning_of(
    tmp_path: Path, search: str = f"{{space: {SPACE}, pruner: none}}", rest: str = "", **options: Any
) -> Tuning:
    return Tuning.open(search_of(tmp_path, search, rest), tmp_path / "study", "toy", **options)


def states(tuning: Tuning) -> list[str]:
    return [trial.state.name for trial in tuning.trials()]


def test_a_study_finds_better_settings_than_it_began_with(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path)
    assert (tuning.monitor, tuning.is_higher_better) == ("distance", False)
    assert list(tune(tuning, 8)) == list(range(8))
    found = findings(tuning)
    assert found.best is not None
    figures = [trial.figure for trial in found.trials if trial.figure is not None]
    assert found.best.figure == min(figures)
    summary = json.loads((tmp_path / "study" / "trials" / f"{found.best.number:04d}" / "summary.json").read_text())
    assert summary["figures"] == {"distance": found.best.figure}
    assert set(found.importance) == {"train.learning_rate", "model.start"}
    assert sum(found.importance.values()) == pytest.approx(1)
    assert found.importance["train.learning_rate"] > found.importance["model.start"]


def test_only_the_best_trial_keeps_its_weights(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path)
    list(tune(tuning, 3))
    best = findings(tuning).best
    assert best is not None
    folders = sorted((tmp_path / "study" / "trials").iterdir())
    assert [path.name for path in folders if (path / "model.safetensors").exists()] == [f"{best.number:04d}"]
    assert not [path for path in folders if (path / "checkpoint.safetensors").exists()]


def test_all_weights_stay_where_that_is_asked_for(tmp_path: Path) -> None:
    list(tune(tuning_of(tmp_path, f"{{space: {SPACE}, keep: all}}"), 3))
    assert len(list((tmp_path / "study" / "trials").glob("*/model.safetensors"))) == 3


def test_a_study_goes_on_where_it_stopped_and_draws_something_new(tmp_path: Path) -> None:
    assert list(tune(tuning_of(tmp_path), 3)) == [0, 1, 2]
    again = tuning_of(tmp_path)
    assert list(tune(again, 5)) == [3, 4]
    assert list(tune(again, 5)) == []
    drawn = [trial.params["model.start"] for trial in again.trials()]
    assert len(set(drawn)) == 5


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    drawn: list[list[float]] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tuning = tuning_of(tmp_path / name)
        list(tune(tuning, 4))
        drawn.append([trial.params["model.start"] for trial in tuning.trials()])
    assert drawn[0] == drawn[1]


def test_trials_that_do_badly_are_ended_early(tmp_path: Path) -> None:
    space = "{model.start: {choices: [2.9, -50]}}"
    how = f"{{space: {space}, sampler: random, pruner_startup: 2, pruner_warmup: 0}}"
    tuning = tuning_of(tmp_path, how, "train: {learning_rate: 0.01}")
    list(tune(tuning, 8))
    ended = {(trial.params["model.start"], trial.state.name) for trial in tuning.trials()[4:]}
    assert (2.9, "COMPLETE") in ended
    assert (-50, "PRUNED") in ended
    pruned = next(trial for trial in findings(tuning).trials if trial.state == "ended early")
    assert pruned.figure is not None
    assert pruned.figure > 50
    metrics = (tmp_path / "study" / "trials" / f"{pruned.number:04d}" / "metrics.jsonl").read_text().splitlines()
    assert sum("figures" in line for line in metrics) == 1  # of four


def test_a_trial_that_diverges_and_one_that_is_refused_say_why(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path, "{space: {model.start: {choices: [1e38]}}}")
    list(tune(tuning, 1))
    [trial] = findings(tuning).trials
    assert (trial.state, trial.figure) == ("diverged", None)
    assert "the loss of update 1 is inf" in trial.fault

    (tmp_path / "b").mkdir()
    tuning = tuning_of(tmp_path / "b", "{space: {model.start: {choices: [7]}}}", "model: {refuses: 7}")
    assert list(tune(tuning, 2)) == [0, 1]
    trial = findings(tuning).trials[1]
    assert (trial.state, trial.figure) == ("failed", None)
    assert trial.fault == "tune: trial 1: model.start is 7, expected another. Change it."


def test_a_trial_that_is_told_to_stop_is_made_again_later(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path)
    asked = iter([False, False, True, True])
    assert list(tune(tuning, 2, should_stop=lambda: next(asked))) == [0]
    assert states(tuning) == ["FAIL", "WAITING"]
    list(tune(tuning, 2))
    assert states(tuning) == ["FAIL", "COMPLETE", "COMPLETE"]
    first, second, _ = tuning.trials()
    assert first.params == second.params
    assert [trial.number for trial in findings(tuning).trials] == [1, 2]


def test_after_the_deadline_no_trial_begins(tmp_path: Path) -> None:
    assert list(tune(tuning_of(tmp_path), 5, deadline=time.time() - 1)) == []


KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
import carrousel.train.tune as tune
from carrousel.train.loop import Evaluation
from carrousel.train.search import read_search
from toy_kind import find_toy

tuning = tune.Tuning.open(read_search(Path("toy.yaml"), find_toy), Path("study"), "toy"{storage})
list(tune.tune(tuning, 1))
report = tune.Run._record
def kill(run, event):
    report(run, event)
    if isinstance(event, Evaluation):
        os.kill(os.getpid(), signal.SIGKILL)
tune.Run._record = kill
list(tune.tune(tuning, 3))
"""


def kill_in_a_trial(tmp_path: Path, storage: str = "") -> None:
    code = KILLED.format(path=[str(Path(__file__).parent.parent)], storage=storage)
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.parametrize("storage", [None, pytest.param("study/trials.journal", marks=pytest.mark.slow)])
def test_the_trial_of_a_killed_process_is_tried_again(
    tmp_path: Path, storage: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_of(tmp_path)
    kill_in_a_trial(tmp_path, "" if storage is None else f", {storage!r}")
    monkeypatch.chdir(tmp_path)
    tuning = Tuning.open(search_of(tmp_path), Path("study"), "toy", storage)
    assert states(tuning) == ["COMPLETE", "RUNNING"]
    assert list(tune(tuning, 3)) == [2, 3]
    assert states(tuning) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    _, killed, again, _ = tuning.trials()
    assert again.params == killed.params
    assert again.user_attrs["try"] == 2
    assert [trial.number for trial in findings(tuning).trials] == [0, 2, 3]


def test_a_trial_whose_process_ends_three_times_is_given_up(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path)
    study = tuning.study()
    for number in range(3):
        trial = study.ask()
        assert trial.number == number
        trial.suggest_float("model.start", -1, 1)
        trial.set_user_attr("host", store.socket.gethostname())
        trial.set_user_attr("pid", _ended_process())
        assert store.give_up_dead(study) == [number]
    assert states(tuning) == ["FAIL", "FAIL", "FAIL"]
    [found] = findings(tuning).trials
    assert (found.number, found.state, found.fault) == (2, "failed", "its process ended 3 times before the trial did")


def test_a_trial_elsewhere_is_dead_after_ten_minutes_without_a_sign_of_life(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path)
    study = tuning.study()
    trial = study.ask()
    trial.set_user_attr("host", "another machine")
    trial.set_user_attr("alive", 1_000_000.0)
    assert store.give_up_dead(study, now=1_000_599.0) == []
    assert store.give_up_dead(study, now=1_000_601.0) == [0]


def _ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.slow
def test_several_workers_share_the_trials(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path)
    assert sorted(tune_with(tuning, 4, num_workers=2)) == list(range(4))
    assert states(tuning) == ["COMPLETE"] * 4
    assert len({trial.user_attrs["pid"] for trial in tuning.trials()} - {os.getpid()}) == 2


@pytest.mark.slow
def test_several_workers_share_a_journal_file(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path, storage=str(tmp_path / "shared" / "study.journal"))
    assert sorted(tune_with(tuning, 4, num_workers=2)) == list(range(4))
    assert states(tuning) == ["COMPLETE"] * 4


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_trial_tried_again(tmp_path: Path) -> None:
    poison = tmp_path / "poison"
    tuning = tuning_of(tmp_path, rest=f"data: {{poison: {poison}}}")
    poison.write_text("")
    ended = sorted(tune_with(tuning, 3, num_workers=2))
    assert not poison.exists()
    assert sorted(states(tuning)) == ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL"]
    killed = next(trial for trial in tuning.trials() if trial.state.name == "FAIL")
    again = [trial for trial in tuning.trials() if trial.user_attrs.get("try") == 2]
    assert [trial.params for trial in again] == [killed.params]
    assert set(ended) == {0, 1, 2, 3}


def test_there_is_at_least_one_worker(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        list(tune_with(tuning_of(tmp_path), 1, num_workers=0))
    assert str(raised.value) == "tune: workers is 0, expected at least 1. Choose a larger number."


def test_a_study_goes_on_with_the_same_search_only(tmp_path: Path) -> None:
    list(tune(tuning_of(tmp_path), 1))
    with pytest.raises(ConfigError) as raised:
        tuning_of(tmp_path, rest="train: {updates: 4}")
    assert str(raised.value) == (
        "tune: the study 'toy' was begun with other settings (settings.train.updates), expected the same: figures of different "
        "searches do not go together. Choose another --name."
    )


def test_the_report_has_the_trials_their_importance_and_no_address_of_the_network(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path, f"{{space: {SPACE[:-1]}, model.cell: {{choices: [lstm, gru]}}}}, pruner: none}}")
    list(tune(tuning, 6))
    found = findings(tuning)
    page = write_study(tuning, found, "carrousel tune <toy>.yaml").read_text()
    assert found.best is not None
    assert page.count("<svg") == 4
    assert "carrousel tune &lt;toy&gt;.yaml" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    best = ToySettings.from_yaml((tmp_path / "study" / "best.yaml").read_text())
    assert best.model.start == found.best.values["model.start"]
    rows = json.loads((tmp_path / "study" / "trials.json").read_text())
    assert [row["figure"] for row in rows] == [trial.figure for trial in found.trials]


def test_too_few_trials_and_equal_ones_say_nothing_about_importance(tmp_path: Path) -> None:
    tuning = tuning_of(tmp_path)
    list(tune(tuning, 3))
    assert findings(tuning).method == "3 finished trials say nothing about importance; 4 may"
    (tmp_path / "b").mkdir()
    tuning = tuning_of(tmp_path / "b", "{space: {train.seed: {low: 0, high: 9}}}")
    list(tune(tuning, 4))
    assert findings(tuning).method == "all figures are the same"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "nosuch://me:secret@machine/db",
            "tune: the storage nosuch://me:***@machine/db is no database that is known, expected sqlite:///FILE, "
            "postgresql://USER@MACHINE/DATABASE, or the path of a journal file. Mend --storage.",
        ),
        (
            "sqlite:////nowhere/at/all.db",
            "tune: the storage sqlite:////nowhere/at/all.db cannot be used (unable to open database file), expected a database to "
            "write to. Check --storage.",
        ),
    ],
)
def test_a_storage_that_cannot_be_used_is_named_without_its_password(url: str, message: str) -> None:
    with pytest.raises((ConfigError, DataError)) as raised:
        store.open_storage(url)
    assert str(raised.value) == message


def test_optuna_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError) as raised:
        store.import_optuna()
    assert str(raised.value) == (
        "tune: Optuna is not installed, expected it for a search. pip install 'carrousel[tune]'"
    )


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, where one is installed."""
    pytest.importorskip("psycopg")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("initdb") or "initdb").parent]
    if not (programs[-1] / "initdb").is_file():
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to all others
        folder, user = Path(name), list[str]()
        if os.getuid() == 0:  # the server refuses to run as root
            folder.chmod(0o777)
            user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

        def call(*command: str | Path) -> None:
            environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
            subprocess.run([*user, *command], check=True, stdout=subprocess.DEVNULL, env=environment, cwd=folder)

        data = folder / "data"
        call(programs[-1] / "initdb", "-D", data, "-U", "tester", "--auth=trust", "-E", "UTF8")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        call(programs[-1] / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        try:
            yield f"postgresql://tester@/postgres?host={folder}"
        finally:
            call(programs[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop")


@pytest.mark.slow
def test_several_workers_share_a_postgresql_server(tmp_path: Path, postgresql: str) -> None:
    tuning = tuning_of(tmp_path, storage=postgresql)
    assert sorted(tune_with(tuning, 5, num_workers=2)) == list(range(5))
    assert states(tuning) == ["COMPLETE"] * 5
    assert not (tmp_path / "study" / "study.db").exists()
    elsewhere = Tuning.open(search_of(tmp_path), tmp_path / "other machine", "toy", postgresql)
    assert list(tune(elsewhere, 7)) == [5, 6]
    assert (tmp_path / "other machine" / "trials" / "0006" / "summary.json").exists()
