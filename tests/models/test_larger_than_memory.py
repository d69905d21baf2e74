"""Files larger than memory: each kind trains, evaluates and predicts with memory capped below the size of its file."""

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
list(kind.predict(prepared.network, small))
status = open("/proc/self/status").read()
used = int(status.partition("VmData:")[2].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + int(cap),) * 2)
prepared = learn(large, None if store == "None" else store)
print(prepared.size)
kept.LARGE = 1 << 20
print(kind.evaluate(prepared.network, large))
print(sum(1 for _ in kind.predict(prepared.network, large)))
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
    size_said, figures, num_lines = found.stdout.splitlines()
    assert size_said == "600,000 steps of 12 channels; 60,000 are held out"
    assert "'roc_auc'" in figures
    assert num_lines == "600000"
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
    size_said, figures, num_lines = found.stdout.splitlines()
    assert size_said == "60,000 pairs; 100 sources with 100 targets are held out"
    assert "'character_error_rate'" in figures
    assert num_lines == "60000"
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
    size_said, figures, num_lines = found.stdout.splitlines()
    assert size_said.startswith("4 series, 600,000 steps of 1 minute, 575,908 windows; 3,000 windows from")
    assert "'mase'" in figures
    assert num_lines == "17"
    assert "MemoryError" in capped("forecaster", settings, tmp_path, 56 * MB, None).stderr


LATER = """
import json, resource, sys
import torch
from carrousel.data import kept
from carrousel.models.kinds import find_kind
from carrousel.models.language_model import scoring

kind, settings, small, large, cap, limit = sys.argv[1:]
kind = find_kind(kind)
torch.set_num_threads(1)
torch.manual_seed(0)
scoring.LOGITS_AT_ONCE = 1 << 19  # made for gigabytes, made for this cap
network = kind.prepare(kind.Settings.of(json.loads(settings))).network
options = {"length": 1, "seed": 0} if kind.name == "language-model" else {}

def use(path):
    print(json.dumps(kind.evaluate(network, path)))
    print(sum(1 for _ in kind.predict(network, path, **options)))

use(small)
status = open("/proc/self/status").read()
used = int(status.partition("VmData:")[2].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + int(cap),) * 2)
kept.LARGE = int(limit)
use(large)
"""


def used(kind: str, settings: dict[str, Any], small: Path, large: Path, limit: int) -> CompletedProcess[str]:
    """A child that learns from a small file and uses what it learned on a large one, with 44 MB to spare.

    Args:
        limit: bytes of a file above which what comes of it is not held in memory.
    """
    given = [kind, json.dumps(settings), str(small), str(large), str(44 * MB), str(limit)]
    return subprocess.run([sys.executable, "-c", LATER, *given], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", ["char", "word"])  # bytes are mapped in any case
def test_a_language_model_is_used_on_a_large_text(unit: str, tmp_path: Path) -> None:
    words = " ".join(f"word{k:02d}" for k in range(99))
    small, large = tmp_path / "small.txt", tmp_path / "large.txt"
    small.write_text(f"{words}\n" * 40)
    with large.open("w") as file:
        file.writelines(f"{words} " * 140 + f"{words}\n" for _ in range(700))
    assert large.stat().st_size > 65 * MB
    settings = {
        "data": {"text": str(small), "unit": unit},
        "model": {"hidden_size": 2, "embedding_size": 2, "cell": "elman"},
        "train": {"batch_size": 2, "tbptt": 8},
    }
    found = used("language-model", settings, small, large, 1 << 20)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "700"
    if unit == "char":
        assert "MemoryError" in used("language-model", settings, small, large, 1 << 28).stderr


def test_a_forecaster_is_used_on_a_table_that_comes_after_training(tmp_path: Path) -> None:
    """All of it is forecast, in many windows."""
    wave = [f"{100 + 10 * np.sin(k / 7):.5f}" for k in range(2_000)]
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    for path, number in ((small, 2_000), (large, 1_600_000)):
        with path.open("w") as file:
            file.write("unique_id,ds,y,known\n")
            for begin in range(0, number, 10_000):
                rows = range(begin, min(number, begin + 10_000))
                file.writelines(
                    f"s{k // 400_000},{np.datetime64(k % 400_000, 'm')},{wave[k % 2_000]},{wave[(k + 9) % 2_000]}\n"
                    for k in rows
                )
    assert large.stat().st_size > 59 * MB
    settings = {
        "data": {"train": str(small), "past": ["known"]},
        "model": {"hidden_size": 2, "cell": "elman", "context": 8, "horizon": 8, "season": 4, "calendar": False},
        "train": {"batch_size": 64},
    }
    found = used("forecaster", settings, small, large, 1 << 20)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == str(1 + 4 * 8)
    assert "MemoryError" in used("forecaster", settings, small, large, 1 << 28).stderr


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_classifier_is_used_on_a_large_archive_of_arrays(is_packed: bool, tmp_path: Path) -> None:
    save, random = (np.savez_compressed if is_packed else np.savez), np.random.default_rng(0)
    small, large = tmp_path / "small.npz", tmp_path / "large.npz"
    for path, number in ((small, 40), (large, 20_000)):
        x = random.integers(0, 9, (number, 50, 10)).astype(np.float64)
        save(path, X=x, y=np.arange(number) % 2)
    settings = {"data": {"train": str(small)}, "model": {"hidden_size": 2, "cell": "elman"}, "train": {"batch_size": 8}}
    found = used("classifier", settings, small, large, 1 << 28)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "20000"
