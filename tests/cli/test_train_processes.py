"""`carrousel train` by two processes, as torchrun starts them: the run folder is that of one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import safetensors.torch
from torch.testing import assert_close

QUICK = (
    "model.hidden_size=4", "model.embedding_size=4", "model.tied=true", "model.dropout=0.3", "train.updates=6",
    "train.batch_size=3", "train.tbptt=8", "train.evaluate_every=3", "train.average=0.9", "train.threads=1", "sample.length=5",
)  # fmt: skip
TEXT = "the quick brown fox jumps over a dog.\nagain: " * 5


def train(folder: Path, num: int, *arguments: str) -> None:
    """One command in a folder, by so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(num)}
    command = [sys.executable, "-m", "carrousel", "train", *arguments]
    started = [
        subprocess.Popen(
            command, cwd=folder, env={**shared, "RANK": str(k), "LOCAL_RANK": str(k)}, stderr=subprocess.PIPE, text=True
        )
        for k in range(num)
    ]
    said = [process.communicate(timeout=200)[1] for process in started]
    assert [process.returncode for process in started] == [0] * num, said


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["none", "fsdp"])
def test_the_run_of_two_processes_is_that_of_one_and_one_goes_on_with_it(tmp_path: Path, sharding: str) -> None:
    (tmp_path / "mine.txt").write_text(TEXT)
    train(tmp_path, 1, "mine.txt", *QUICK, "--run", "one")
    train(tmp_path, 2, "mine.txt", *QUICK, f"train.sharding={sharding}", "--run", "two")
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert [line["update"] for line in two] == [line["update"] for line in one]
    for mine, theirs in zip(one, two, strict=True):
        if "loss" in mine:
            assert theirs["loss"] == pytest.approx(mine["loss"], rel=1e-5)
        else:
            assert theirs["figures"] == pytest.approx(mine["figures"], rel=1e-5)
    weights = [cast(Any, safetensors.torch).load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    assert_close(weights[1], weights[0], rtol=1e-4, atol=1e-6)
    assert sorted(os.listdir(tmp_path / "two")) == sorted(os.listdir(tmp_path / "one"))

    config = tmp_path / "two" / "config.yaml"
    config.write_text(config.read_text().replace("updates: 6", "updates: 9"))
    train(tmp_path, 1, "--resume", "two")
    summary = json.loads((tmp_path / "two" / "summary.json").read_text())
    assert (summary["updates"], summary["source"]) == (9, "mine.txt")
