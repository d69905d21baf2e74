"""Two processes over gloo on this machine against one with the same batches."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from train import two_processes

from carrousel.errors import ConfigError
from carrousel.train.distributed import broadcast, gather, is_main, own_part, processes, rank, total, whole_state, world

HERE = Path(__file__).parent

ADAM: dict[str, Any] = {"updates": 12}
ACCUMULATED: dict[str, Any] = {"updates": 6, "accumulate": 2, "optimiser": "sgd", "average": 0.9, "clip_value": 0.05}
WHOLE: dict[str, Any] = {"updates": 12, "schedule": "constant", "zero_state": 0.3}
NOISY: dict[str, Any] = {"updates": 6, "dropout": 0.5}
POISONED: dict[str, Any] = {"updates": 6, "schedule": "constant", "poisoned": 3}
DYING: dict[str, Any] = {"updates": 50, "die_after": 3}


def start(folder: Path, tasks: list[dict[str, Any]], num: int = 2) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(num),
        "TASKS": json.dumps(tasks),
    }
    command = [sys.executable, "-W", "error", str(HERE / "two_processes.py"), str(folder)]
    return [
        subprocess.Popen(
            command, env={**shared, "RANK": str(k), "LOCAL_RANK": str(k)}, stderr=subprocess.PIPE, text=True
        )
        for k in range(num)
    ]


def result(folder: Path, number: int, rank: int = 0) -> dict[str, Any]:
    return json.loads((folder / f"{number}.{rank}of2.json").read_text())


def assert_same(two: dict[str, Any], one: dict[str, Any]) -> None:
    for name in ("losses", "norms", "history"):
        assert two[name] == pytest.approx(one[name], rel=1e-10), name
    assert two["seen"] == one["seen"]
    for name, weight in one["weights"].items():
        torch.testing.assert_close(torch.tensor(two["weights"][name]), torch.tensor(weight), rtol=1e-9, atol=1e-11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes make of all tasks, one after the other."""
    folder = tmp_path_factory.mktemp("two")
    torch.set_num_threads(1)
    two_processes.learn(two_processes.settings_of(WHOLE), folder / "by_one", stop_after=6)
    tasks = [ADAM, ACCUMULATED, {**WHOLE, "state": "by_two", "stop_after": 6}, {**WHOLE, "state": "by_one"}, NOISY]
    started = start(folder, [*tasks, POISONED, DYING])
    said = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [1, 3], said
    (folder / "said.json").write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize(("number", "task"), [(0, ADAM), (1, ACCUMULATED)], ids=["adam", "accumulated"])
def test_two_processes_give_the_loss_curve_and_the_weights_of_one(
    folder: Path, number: int, task: dict[str, Any]
) -> None:
    assert_same(result(folder, number), two_processes.learn(two_processes.settings_of(task)))


def test_both_processes_end_with_the_same_numbers(folder: Path) -> None:
    for number in range(5):
        assert result(folder, number, rank=0) == result(folder, number, rank=1)


def test_processes_draw_masks_of_their_own(folder: Path) -> None:
    """The same seed and data as alone, and other dropout."""
    found = result(folder, 4)
    alone = two_processes.learn(two_processes.settings_of({"updates": 6}), dropout=0.5)
    assert found["losses"] != pytest.approx(alone["losses"], rel=1e-3)


def test_the_process_whose_batch_is_bad_is_the_one_reported(folder: Path) -> None:
    assert result(folder, 5)["error"].splitlines()[:3] == [
        "train: the loss of update 4 is nan, expected a finite number. Lower the learning rate (0.01 here), such as "
        "train.learning_rate=0.001. The weights are those before this update.",
        "  first: output of the loss function is nan",
        "  batch: process 1",
    ]


def test_a_process_that_dies_ends_the_others_with_a_message(folder: Path) -> None:
    said = json.loads((folder / "said.json").read_text())
    assert re.sub(r"\(.*\)", "(...)", said[0]) == (  # what gloo says differs with the moment
        "train: process 0 of 2 lost touch with another (...), expected all to run to the end. See what the other one said; then go "
        "on from the last checkpoint: torchrun ... -m carrousel train --resume RUN\n"
    )
    assert said[1] == ""


def test_one_process_goes_on_where_two_stopped(folder: Path) -> None:
    whole = two_processes.learn(two_processes.settings_of(WHOLE))
    saved = folder / "by_two"
    rest = two_processes.learn(two_processes.settings_of(WHOLE), saved)
    first = result(folder, 2)
    assert_same({**rest, "losses": first["losses"] + rest["losses"], "norms": first["norms"] + rest["norms"]}, whole)


def test_two_processes_go_on_where_one_stopped(folder: Path) -> None:
    whole = two_processes.learn(two_processes.settings_of(WHOLE))
    rest = result(folder, 3)
    assert_same(
        {**rest, "losses": whole["losses"][:6] + rest["losses"], "norms": whole["norms"][:6] + rest["norms"]}, whole
    )


def test_alone_there_is_nothing_to_share() -> None:
    assert (rank(), world(), is_main()) == (0, 1, True)
    assert broadcast({"a": 1}) == {"a": 1}
    assert gather("a") == ["a"]
    assert total([1, 2.5]) == [1, 2.5]
    state = (torch.ones(1, 2, 3), None)
    assert whole_state(state) is state
    assert own_part(state, torch.device("cpu"))[1] is None


def test_one_process_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    with processes(torch.device("cpu")):
        assert not torch.distributed.is_initialized()


def test_half_of_torchruns_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ConfigError) as caught, processes(torch.device("cpu")):
        pass
    assert str(caught.value) == (
        "train: WORLD_SIZE is 2 and LOCAL_RANK, MASTER_ADDR, MASTER_PORT are not set, expected all that torchrun sets. Start it by "
        "torchrun --nproc-per-node N -m carrousel train FILE.yaml"
    )
