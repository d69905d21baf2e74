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
from carrousel.train.distributed import (
    _Whole,
    broadcast,
    gather,
    is_main,
    own_part,
    processes,
    rank,
    total,
    whole_state,
    world,
)
from carrousel.train.protocols import Loss

HERE = Path(__file__).parent

ADAM: dict[str, Any] = {"updates": 12}
ACCUMULATED: dict[str, Any] = {"updates": 6, "accumulate": 2, "optimiser": "sgd", "average": 0.9, "clip_value": 0.05}
WHOLE: dict[str, Any] = {"updates": 12, "schedule": "constant", "zero_state": 0.3}
NOISY: dict[str, Any] = {"updates": 6, "accumulate": 2, "dropout": 0.5}
POISONED: dict[str, Any] = {"updates": 6, "schedule": "constant", "poisoned": 3}
PARTS: dict[str, Any] = {"updates": 12, "average": 0.9, "clip_norm": 0.2, "clip_value": 0.05}
PARTS_NOISY: dict[str, Any] = {**NOISY, "optimiser": "rmsprop", "momentum": 0.5}
AVERAGED: dict[str, Any] = {**WHOLE, "average": 0.9}
SHARDED: dict[str, Any] = {"sharding": "fsdp"}
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
    two_processes.learn(two_processes.settings_of(AVERAGED), folder / "averaged_by_one", stop_after=6)
    tasks = [ADAM, ACCUMULATED, {**WHOLE, "state": "by_two", "stop_after": 6}, {**WHOLE, "state": "by_one"}, NOISY]
    parts = [
        PARTS, PARTS_NOISY, {**AVERAGED, "state": "by_parts", "stop_after": 6}, {**AVERAGED, "state": "averaged_by_one"}, POISONED
    ]  # fmt: skip
    started = start(folder, [*tasks, POISONED, *[{**task, **SHARDED} for task in parts], DYING])
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
    for number in (0, 1, 2, 3, 4, 6, 7, 8, 9):
        one, other = ({**result(folder, number, rank), "num_kept": 0} for rank in range(2))
        assert one == other


def test_two_processes_draw_the_masks_of_one(folder: Path) -> None:
    """Also after a batch of which the second process has no row."""
    alone = {name: value for name, value in NOISY.items() if name != "dropout"}
    assert_same(result(folder, 4), two_processes.learn(two_processes.settings_of(alone), dropout=0.5))


@pytest.mark.parametrize("number", [5, 10], ids=["whole", "parts"])
def test_the_process_whose_batch_is_bad_is_the_one_reported(folder: Path, number: int) -> None:
    assert result(folder, number)["error"].splitlines()[:3] == [
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


def test_processes_with_parts_of_the_weights_give_the_curve_of_one(folder: Path) -> None:
    whole = two_processes.learn(two_processes.settings_of(PARTS))
    assert_same(result(folder, 6), whole)
    kept = [result(folder, 6, rank)["num_kept"] for rank in range(2)]
    assert (
        sum(kept) == whole["num_kept"] + 3 * 2
    )  # a weight that nothing uses has a gradient, of zeros, and Adam's two means of it
    assert max(kept) <= 0.52 * sum(kept)


def test_processes_with_parts_draw_the_masks_of_one(folder: Path) -> None:
    task = {name: value for name, value in PARTS_NOISY.items() if name != "dropout"}
    assert_same(result(folder, 7), two_processes.learn(two_processes.settings_of(task), dropout=0.5))


def test_one_process_goes_on_where_two_with_parts_stopped(folder: Path) -> None:
    whole = two_processes.learn(two_processes.settings_of(AVERAGED))
    rest = two_processes.learn(two_processes.settings_of({**AVERAGED, **SHARDED}), folder / "by_parts")
    first = result(folder, 8)
    assert_same({**rest, "losses": first["losses"] + rest["losses"], "norms": first["norms"] + rest["norms"]}, whole)


def test_two_processes_with_parts_go_on_where_one_stopped(folder: Path) -> None:
    whole = two_processes.learn(two_processes.settings_of(AVERAGED))
    rest = result(folder, 9)
    assert_same(
        {**rest, "losses": whole["losses"][:6] + rest["losses"], "norms": whole["norms"][:6] + rest["norms"]}, whole
    )


def test_what_is_added_up_lies_on_one_device() -> None:
    """DistributedDataParallel takes no other module."""
    model = torch.nn.Linear(2, 3, device="meta")
    whole = _Whole(model, lambda model, batch, carried: Loss(torch.zeros(())))
    assert {parameter.device.type for parameter in whole.parameters()} == {"meta"}


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
