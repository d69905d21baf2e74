"""Files larger than memory: each kind trains and evaluates with the process's memory capped below the size of its file."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

MB = 1 << 20
# Everything that is imported, compiled and touched comes before the cap, by a small run of the same kind.
CAPPED = """
import json, resource, sys
from pathlib import Path
import torch
from carrousel.data import kept
from carrousel.models.autoencoder import baselines
from carrousel.models.kinds import find_kind
from carrousel.models.seq2seq import baselines as links

kind, settings, small, large, store, cap = sys.argv[1:]
kind = find_kind(kind)
torch.set_num_threads(1)
baselines.MOST, links.MAX_LINKS = 1 << 18, 1 << 18  # limits made for gigabytes, made for this cap

def learn(path, store):
    given = json.loads(settings)
    given["data"] |= {"train": path, "store": store}
    torch.manual_seed(0)
    prepared = kind.prepare(kind.Settings.of(given))
    for _ in range(4):
        prepared.loss(prepared.network, prepared.batches.next(), None).loss.backward()
    prepared.evaluate(prepared.network)
    prepared.baselines()
    prepared.examples(prepared.network)
    return prepared

prepared = learn(small, None)
kind.evaluate(prepared.network, small)
status = open("/proc/self/status").read()
used = int(status.partition("VmData:")[2].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + int(cap),) * 2)
prepared = learn(large, None if store == "None" else store)
print(prepared.size)
kept.LARGE = 1 << 20
print(kind.evaluate(prepared.network, large))
"""


def capped(kind: str, settings: dict[str, Any], folder: Path, cap: int, store: Path | None) -> CompletedProcess[str]:
    """A child that trains on a small file, caps its memory at so much more, and trains and evaluates on a large one."""
    files = [str(*folder.glob(f"{size}.*")) for size in ("small", "large")]
    given = [kind, json.dumps(settings), *files, str(store), str(cap)]
    return subprocess.run([sys.executable, "-c", CAPPED, *given], capture_output=True, text=True, check=False)


def write(
    folder: Path, rows: Callable[[int], str], num_small: int, num_large: int, header: str, form: str = "csv"
) -> int:
    """A small and a large file; the size of the large one."""
    for name, number in ((f"small.{form}", num_small), (f"large.{form}", num_large)):
        with (folder / name).open("w") as file:
            file.write(header)
            for begin in range(0, number, 10_000):
                file.writelines(map(rows, range(begin, min(number, begin + 10_000))))
    return (folder / f"large.{form}").stat().st_size


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the limit on memory is Linux's"),
]


def test_an_autoencoder(tmp_path: Path) -> None:
    wave = np.sin(np.arange(1_000) / 7).tolist()

    def row(k: int) -> str:
        cells = ",".join(f"{wave[(k + 31 * c) % 1_000]:.6f}" for c in range(12))
        return f"{cells},{int(k % 5_000 == 0)}\n"

    names = ",".join("abcdefghijkl")
    size = write(tmp_path, row, 2_000, 600_000, f"{names},odd\n")
    assert size > 60 * MB
    settings = {
        "data": {"label": "odd", "window": 20, "stride": 10},
        "model": {"hidden_size": 2, "cell": "elman"},
        "train": {"batch_size": 64},
    }
    found = capped("autoencoder", settings, tmp_path, 44 * MB, tmp_path / "store")
    assert found.returncode == 0, found.stderr
    size_said, figures = found.stdout.splitlines()
    assert size_said == "600,000 steps of 12 channels; 60,000 are held out"
    assert "'roc_auc'" in figures
    assert "MemoryError" in capped("autoencoder", settings, tmp_path, 44 * MB, None).stderr


def test_sequence_to_sequence(tmp_path: Path) -> None:
    letters = np.random.default_rng(0).choice(list("abcdefgh"), 4_000)
    text = "".join(letters)

    def row(k: int) -> str:
        begin = 37 * k % 3_000
        return f"{text[begin : begin + 12]}{k:06d}\t{text[begin : begin + 900]}\n"

    size = write(tmp_path, row, 200, 60_000, "", "tsv")
    (tmp_path / "valid.tsv").write_text("".join(map(row, range(100))))
    assert size > 50 * MB
    settings = {
        "data": {"valid": str(tmp_path / "valid.tsv")},
        "model": {"hidden_size": 2, "embedding_size": 2, "cell": "elman", "attention": "none"},
        "decoding": {"max_length": 2, "beam": 1},
        "train": {"batch_size": 2},
    }
    found = capped("seq2seq", settings, tmp_path, 44 * MB, tmp_path / "store")
    assert found.returncode == 0, found.stderr
    size_said, figures = found.stdout.splitlines()
    assert size_said == "60,000 pairs; 100 sources with 100 targets are held out"
    assert "'character_error_rate'" in figures
    assert "MemoryError" in capped("seq2seq", settings, tmp_path, 44 * MB, None).stderr


def test_a_forecaster(tmp_path: Path) -> None:
    wave = [f"{100 + 10 * np.sin(k / 7):.5f}" for k in range(2_000)]
    covariates = list("abcdefgh")

    def row(k: int) -> str:
        cells = ",".join(wave[(k + 31 * c) % 2_000] for c in range(9))
        return f"s{k // 150_000},{np.datetime64(k % 150_000, 'm')},{cells}\n"

    size = write(tmp_path, row, 2_000, 600_000, f"unique_id,ds,y,{','.join(covariates)}\n")
    assert size > 60 * MB
    settings = {
        "data": {"past": covariates, "valid": 0.02, "test": 0.02},
        "model": {"hidden_size": 2, "cell": "elman", "context": 20, "horizon": 4, "season": 4, "calendar": False},
        "train": {"batch_size": 64},
    }
    found = capped("forecaster", settings, tmp_path, 56 * MB, tmp_path / "store")
    assert found.returncode == 0, found.stderr
    size_said, figures = found.stdout.splitlines()
    assert size_said.startswith("4 series, 600,000 steps of 1 minute, 575,908 windows; 3,000 windows from")
    assert "'mase'" in figures
    assert "MemoryError" in capped("forecaster", settings, tmp_path, 56 * MB, None).stderr
