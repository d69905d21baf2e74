"""Data kept on the disk: the same numbers as in memory, nothing that holds all rows, and files larger than memory."""

import inspect
import shutil
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from carrousel.data import Ragged, kept
from carrousel.models.classifier import files
from carrousel.models.kinds import find_kind
from carrousel.models.tagger import sentences
from carrousel.train.kind import Prepared
from carrousel.train.loop import Checkpoint
from carrousel.train.run import Run

KINDS = {
    "tagger": "x.conll",
    "classifier": "x.csv",
    "classifier of series": "x.ts",
    "target-classifier": "x.csv",
    "word-sense": "x.csv",
}
WORD = "antidisestablishmentarianism"


HEADS = {
    "tagger": "",
    "classifier": "text,label\n",
    "classifier of series": "@dimensions 2\n@classLabel true a b\n@data\n",
    "target-classifier": "text,target,label\n",
    "word-sense": "text,target,lemma,sense\n",
}


def write(folder: Path, name: str, num_rows: int, num_words: int = 12) -> Path:
    """Rows of like lengths with two classes, in the form that a kind reads."""
    draw, path = np.random.default_rng(0), folder / KINDS[name]
    folder.mkdir(exist_ok=True)
    with path.open("w") as file:
        file.write(HEADS[name])
        for k in range(num_rows):
            file.write(
                row(name, "ab"[k % 2], draw.integers(0, 10, int(draw.integers(num_words // 2, num_words))).tolist())
            )
    return path


def row(name: str, label: str, numbers: list[int]) -> str:
    """One row of a class."""
    stem = 3 * WORD if name == "tagger" else WORD
    words = [f"{stem}{label}{number}" for number in numbers]
    half = len(words) // 2
    marked = f"{' '.join(words[:half])} $T$ {' '.join(words[half:])},{words[0]} {words[1]}"
    match name:
        case "tagger":
            return (
                "".join(f"{word}\tB-{'PQ'[number % 2]}\n" for word, number in zip(words, numbers, strict=True)) + "\n"
            )
        case "classifier":
            return f"{' '.join(words)},{label}\n"
        case "classifier of series":
            channel = ",".join(f"{number + (label == 'b'):.12f}" for number in numbers)
            return f"{channel}:{channel}:{label}\n"
        case "target-classifier":
            return f"{marked},{label}\n"
        case _:
            return f"{marked},lemma,{label}\n"


def prepared(name: str, file: Path, **data: Any) -> Prepared:
    """What a run on a file needs, in a small size."""
    kind = find_kind(name.split(" ")[0])
    model = {"hidden_size": 4, **({"word_size": 4} if name == "tagger" else {"embedding_size": 4})}
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return kind.prepare(
        kind.Settings.of({"data": {"train": str(file), **data}, "model": model, "train": {"batch_size": 7}})
    )


def measured(run: Prepared) -> list[Any]:
    """All that a run shows of its data."""
    shown: list[Any] = [run.name, run.source, run.size, run.fingerprint, dict(run.notes)]
    for _ in range(len(run.batches) + 2):
        batch = run.batches.next()
        loss = run.loss(run.network, batch, None)
        shown += [loss.loss.item(), loss.num_seen, list(run.ids(batch)), list(run.columns(batch))]
    with torch.no_grad():
        run.network.eval()
        return [*shown, run.evaluate(run.network), run.baselines(), list(run.examples(run.network))]


@pytest.mark.parametrize(
    ("name", "has_held_out"), [*((name, False) for name in KINDS), ("tagger", True), ("word-sense", True)]
)
def test_data_kept_on_the_disk_is_the_data_in_memory(
    name: str, has_held_out: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "data", name, 41)
    beside = {"valid": str(write(tmp_path / "other", name, 12))} if has_held_out else {}
    in_memory = prepared(name, file, **beside)
    expected, folder = measured(in_memory), tmp_path / "store"
    assert in_memory.store == ""
    assert not folder.exists()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(kept, "LARGE", 1)
        in_files = prepared(name, file, **beside)
        assert in_files.store == "Kept in temporary files."
        assert measured(in_files) == expected
        assert list((tmp_path / "temporary").iterdir()) == []
    for how in ("written", "found there unchanged"):
        stored = prepared(name, file, store=str(folder), **beside)
        assert stored.store == f"Kept in {folder}, {how}."
        assert measured(stored) == expected
    assert {path.name for path in tmp_path.iterdir()} == {"data", "store", "temporary"} | (
        {"other"} if has_held_out else set()
    )
    assert [path.name for path in (tmp_path / "data").iterdir()] == [KINDS[name]]


@pytest.mark.parametrize("name", KINDS)
def test_what_is_kept_is_made_anew_when_the_data_or_its_reading_changes(name: str, tmp_path: Path) -> None:
    file = write(tmp_path / "data", name, 41)

    def told(**data: Any) -> str:
        return prepared(name, file, store=str(tmp_path / "store"), **data).store.partition(", ")[2]

    assert told() == "written."
    assert told() == "found there unchanged."
    file.touch()
    assert told() == "found there unchanged."
    assert told(skip_bad=True) == "written."
    write(tmp_path / "data", name, 42)
    assert told(skip_bad=True) == "written."
    if name != "classifier of series":
        assert told(skip_bad=True, min_count=30) == "written."  # only its words have other numbers
    assert told(skip_bad=True) == ("written." if name != "classifier of series" else "found there unchanged.")


@pytest.mark.parametrize("name", KINDS)
def test_a_run_goes_on_bit_for_bit_whether_what_was_kept_is_there_or_not(name: str, tmp_path: Path) -> None:
    file, folder = write(tmp_path / "data", name, 41), tmp_path / "store"
    kind = find_kind(name.split(" ")[0])
    given: dict[str, Any] = {
        "data": {"train": str(file), "store": str(folder)},
        "model": {"hidden_size": 4, "dropout": 0.3},
        "train": {
            "updates": 8,
            "epochs": None,
            "batch_size": 7,
            "evaluate_every": 2,
            "checkpoint_every": 2,
            "threads": 1,
        },
    }

    def weights(run: Run) -> dict[str, torch.Tensor]:
        for _ in run.train():
            pass
        return run.prepared.network.state_dict()

    expected = weights(Run.start(kind, kind.Settings.of(given), tmp_path / "whole"))
    for path in (tmp_path / "kept", tmp_path / "gone"):
        run = Run.start(kind, kind.Settings.of(given), path)
        for event in run.train():
            if isinstance(event, Checkpoint) and event.update == 4:
                break  # as if killed
        if path.name == "gone":
            shutil.rmtree(folder)
        found = weights(Run.resume(path, find_kind))
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert folder.is_dir()


READERS = {"tagger": (sentences, "conll_sentences"), "classifier of series": (files, "ts_cases")}


@pytest.mark.parametrize("name", KINDS)
def test_no_more_than_a_few_rows_are_in_memory(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, function = READERS.get(name, (files, "labelled_rows"))
    read: Any = getattr(module, function)
    alive, most = weakref.WeakSet[Any](), 0

    def counted(*given: Any) -> Iterator[Any]:
        nonlocal most
        for record in read(*given):
            alive.add(record)
            most = max(most, len(alive))
            yield record

    monkeypatch.setattr(module, function, counted)
    run = prepared(name, write(tmp_path, name, 100), store=str(tmp_path / "store"))
    assert most <= 2
    batches: Any = run.batches
    rows: Any = inspect.getclosurevars(batches.make).nonlocals["encoded" if name == "tagger" else "seen"]
    parts: list[Ragged] = [rows.tokens, rows.forms] if name == "tagger" else [*rows.parts]
    assert all(isinstance(array, np.memmap) for part in parts for array in (part.values, part.offsets))


LARGER_THAN_MEMORY = """
import resource, sys
import torch
from carrousel.data import kept
from carrousel.models.kinds import find_kind

def allowed():
    status = open("/proc/self/status").read()
    return int(status.partition("VmData:")[2].split()[0]) * 1024

def learn(file, folder):
    settings = kind.Settings.of({
        "data": {"train": file, "store": folder}, "model": {"hidden_size": 4, **sizes}, "train": {"batch_size": 4},
    })
    prepared = kind.prepare(settings)
    for _ in range(4):
        prepared.loss(prepared.network, prepared.batches.next(), None).loss.backward()
    prepared.network.eval()
    with torch.no_grad():
        prepared.evaluate(prepared.network)
        prepared.baselines()
        assert prepared.examples(prepared.network)
    return prepared

torch.set_num_threads(1)
name, small, large, folder, spare, limit = sys.argv[1:]
kind = find_kind(name)
sizes = {"word_size": 4, "characters": "none"} if name == "tagger" else {"embedding_size": 4}
small_one = learn(small, None)
kind.evaluate(small_one.network, small)
list(kind.predict(small_one.network, small))
kept.LARGE = int(limit)
resource.setrlimit(resource.RLIMIT_DATA, (allowed() + int(spare) * 2**20,) * 2)
prepared = learn(large, folder or None)
kind.evaluate(prepared.network, large)
print(prepared.size, prepared.store, sum(1 for _ in kind.predict(prepared.network, large)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the limit on memory is Linux's")
@pytest.mark.parametrize("name", KINDS)
def test_a_file_larger_than_memory_trains_and_evaluates(name: str, tmp_path: Path) -> None:
    """A file of 57 MB or more with 44 MB to spare, in a store or in temporary files; in memory the same is too much."""
    num_words = 90 if name == "tagger" else 250
    num_rows = 20_000 if name == "classifier of series" else 10_000  # numbers are shorter in memory than as text
    small, large = (write(tmp_path / at, name, num, num_words) for at, num in (("small", 100), ("large", num_rows)))
    assert large.stat().st_size > 56e6

    def run(folder: str, limit: int) -> subprocess.CompletedProcess[str]:
        arguments = [name.split(" ")[0], str(small), str(large), folder, "44", str(limit)]
        return subprocess.run(
            [sys.executable, "-c", LARGER_THAN_MEMORY, *arguments], capture_output=True, text=True, check=False
        )

    with large.open() as file:
        num_lines = sum(1 for _ in file) if name == "tagger" else num_rows
    for folder, limit, told in (
        (str(tmp_path / "store"), 1 << 28, f"Kept in {tmp_path / 'store'}, written."),
        ("", 1 << 20, "Kept in temporary files."),
    ):
        found = run(folder, limit)
        assert found.returncode == 0, found.stderr
        assert f"{num_rows // 10:,}" in found.stdout
        assert found.stdout.endswith(f"{told} {num_lines}\n")
    assert "MemoryError" in run("", 1 << 28).stderr
