"""Stores: made once, known by content, complete or not there; and data larger than memory."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from carrousel.data import store as store_module
from carrousel.data.store import Store, StoreWriter, fingerprint, stored, told
from carrousel.errors import ConfigError, DataError


class Maker:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.num_calls = 0

    def __call__(self, writer: StoreWriter) -> Mapping[str, Any]:
        self.num_calls += 1
        with writer.array("lines", np.uint8) as array:
            array.append(np.arange(3))
        return {"calls": self.num_calls}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.txt"
    path.write_text("content")
    return path


@pytest.mark.tiny
def test_a_store_is_made_once_and_again_when_content_or_settings_change(tmp_path: Path, source: Path):
    make, place = Maker(), tmp_path / "stores" / "x"
    first = stored(place, [source], {"unit": "char"}, make)
    assert first["lines"][0].tolist() == [0, 1, 2]
    assert first.description == {"calls": 1}
    assert stored(place, [source], {"unit": "char"}, make) == first
    assert Store.open(place) == first

    source.touch()
    copy = source.rename(tmp_path / "other name.txt")
    assert stored(place, [copy], {"unit": "char"}, make) == first

    copy.write_text("CONTENT")
    assert stored(place, [copy], {"unit": "char"}, make).description == {"calls": 2}
    assert stored(place, [copy], {"unit": "word"}, make).description == {"calls": 3}
    assert [p.name for p in place.parent.iterdir()] == ["x"]
    assert sorted(p.name for p in place.iterdir()) == ["lines.offsets.npy", "lines.values.npy", "store.json"]


@pytest.mark.tiny
def test_sources_that_look_the_same_are_not_read_again(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch):
    digests: list[Path] = []
    digest = store_module._digest  # pyright: ignore[reportPrivateUsage]

    def counted(file: Path, where: str) -> str:
        digests.append(file)
        return digest(file, where)

    monkeypatch.setattr(store_module, "_digest", counted)
    make, place = Maker(), tmp_path / "x"
    os.utime(source, (1, 1))
    first = stored(place, [source], {}, make)
    assert told(tmp_path, [first]) == f"Kept in {tmp_path}, written."
    again = stored(place, [source], {}, make)
    assert told(tmp_path, [again]) == f"Kept in {tmp_path}, found there unchanged."
    assert (len(digests), make.num_calls) == (1, 1)

    source.touch()  # a new time with the same content: read once more, and, being so new, each time
    for num_digests in (2, 3):
        assert stored(place, [source], {}, make) == first
        assert (len(digests), make.num_calls) == (num_digests, 1)
    os.utime(source, (2, 2))
    for _ in range(2):
        assert stored(place, [source], {}, make) == first
        assert (len(digests), make.num_calls) == (4, 1)

    source.write_text("CONTENT")  # as long as before, at once
    assert stored(place, [source], {}, make).is_new
    os.utime(source, (2, 2))
    assert stored(place, [source], {"other": 1}, make).is_new


@pytest.mark.tiny
def test_a_source_that_is_written_while_it_is_read_is_named(tmp_path: Path, source: Path):
    def make(writer: StoreWriter) -> Mapping[str, Any]:
        source.write_text("more content")
        return {}

    with pytest.raises(DataError) as caught:
        stored(tmp_path / "x", [source], {}, make, where="train")
    assert str(caught.value) == (
        f"train: {source} changed while it was read, expected data that nobody writes. Start again when it is complete."
    )
    assert [p.name for p in tmp_path.iterdir()] == ["source.txt"]


@pytest.mark.tiny
def test_several_that_make_it_at_once_get_the_same_store(tmp_path: Path, source: Path):
    all_make = Barrier(3)

    def make(writer: StoreWriter) -> Mapping[str, Any]:
        with writer.array("lines", np.uint8) as array:
            array.append(np.arange(3))
        all_make.wait()
        return {}

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(stored, tmp_path / "x", [source], {}, make) for _ in range(3)]
    stores = [one.result() for one in waiting]
    assert stores == [Store.open(tmp_path / "x")] * 3
    assert [store["lines"][0].tolist() for store in stores] == [[0, 1, 2]] * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source.txt", "x"]


@pytest.mark.tiny
def test_a_maker_that_fails_leaves_the_old_store(tmp_path: Path, source: Path):
    place = tmp_path / "x"
    first = stored(place, [source], {}, Maker())

    def fail(writer: StoreWriter) -> Mapping[str, Any]:
        with writer.array("lines", np.uint8) as array:
            array.append(np.arange(300))
        raise DataError("train: a line is malformed.")

    with pytest.raises(DataError, match=r"^train: a line is malformed\.$"):
        stored(place, [source], {"other": 1}, fail)
    assert Store.open(place) == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source.txt", "x"]


@pytest.mark.tiny
def test_a_damaged_store_is_made_anew(tmp_path: Path, source: Path):
    make, place = Maker(), tmp_path / "x"
    stored(place, [source], {}, make)
    (place / "store.json").write_text("{")
    assert stored(place, [source], {}, make).description == {"calls": 2}
    (place / "store.json").write_text(json.dumps({"format": 0}))
    assert stored(place, [source], {}, make).description == {"calls": 3}


@pytest.mark.tiny
def test_a_folder_is_known_by_the_names_and_contents_of_its_files(tmp_path: Path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "deep" / "b").write_text("2")
    first = fingerprint([folder], {})
    (folder / "deep" / "b").rename(folder / "b")
    second = fingerprint([folder], {})
    (folder / "b").write_text("3")
    assert len({first, second, fingerprint([folder], {}), fingerprint([folder], {"x": 1})}) == 4


@pytest.mark.tiny
def test_other_folders_are_left_alone(tmp_path: Path, source: Path):
    with pytest.raises(ConfigError) as caught:
        stored(tmp_path, [source], {}, Maker(), where="train")
    assert str(caught.value) == (
        f"train: {tmp_path} is no store, expected a store, an empty folder or nothing. Name another place, or empty it."
    )
    with pytest.raises(ConfigError) as caught:
        StoreWriter(tmp_path).array("../x", np.uint8)
    assert str(caught.value) == "StoreWriter: the name is '../x', expected letters, digits and _. Give another name."


@pytest.mark.tiny
def test_a_place_that_cannot_be_written_and_a_missing_source_are_named(tmp_path: Path, source: Path):
    with pytest.raises(DataError) as caught:
        stored(source / "x", [source], {}, Maker(), where="train")
    assert str(caught.value) == (
        f"train: {source}/x cannot be written (File exists), expected room and permission. Name another place."
    )
    with pytest.raises(DataError) as caught:
        stored(tmp_path / "x", [tmp_path / "y"], {}, Maker(), where="train")
    assert str(caught.value) == f"train: {tmp_path}/y does not exist, expected a file to read. Check the path."


@pytest.mark.tiny
def test_what_is_no_store_is_refused(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        Store.open(tmp_path)
    assert str(caught.value) == f"Store.open: {tmp_path} has no store.json, expected a store. Check the path."
    (tmp_path / "store.json").write_text("[]")
    with pytest.raises(DataError) as caught:
        Store.open(tmp_path)
    assert str(caught.value) == (f"Store.open: {tmp_path} has format None, expected 1. Delete it, and it is made anew.")
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(
        DataError, match=r"^Store\.open: .*/store\.json cannot be read \(.*\), expected a store\. Delete"
    ):
        Store.open(tmp_path)


# In the child, everything that is imported and touched comes before the cap, and the text must not fit under it.
CAPPED = """
import resource, sys
from pathlib import Path
import numpy as np
from carrousel.data import Bucketed, Faults, Ragged, Streams, Tokens
from carrousel.data.readers.labelled import Columns, labelled_rows
from carrousel.data.readers.plain import characters_of, read_pieces, words
from carrousel.data.store import stored

CAP = 32 << 20
folder, what = Path(sys.argv[1]), sys.argv[2]
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + CAP, used + CAP))

def is_too_large(path):
    try:
        path.read_bytes()
    except MemoryError:
        return True
    return False

def make_text(writer):
    faults = Faults("test")
    characters = characters_of(read_pieces(folder / "x.txt", faults))
    with writer.array("ids", characters.dtype) as ids:
        ids.extend(map(characters.encode, read_pieces(folder / "x.txt", faults)))
    return characters.to_dict()

def make_table(writer):
    path, columns, faults = folder / "x.csv", Columns("text", "label"), Faults("test")
    tokens = Tokens.of(word for row in labelled_rows(path, columns, faults) for word in row.text.split())
    with writer.array("ids", tokens.dtype) as ids:
        for row in labelled_rows(path, columns, faults):
            ids.append(tokens.encode(row.text.split()))
    return tokens.to_dict()

if what == "text":
    assert is_too_large(folder / "x.txt")
    ids = stored(folder / "store", [folder / "x.txt"], {}, make_text)["ids"].values
    assert ids.nbytes > CAP
    streams = Streams(ids, 32, 256, seed=0)
    print(len(ids), sum(int(window.y.astype(np.int64).sum()) for window in streams))
else:
    assert is_too_large(folder / "x.csv")
    rows = stored(folder / "store", [folder / "x.csv"], {}, make_table)["ids"]
    batches = Bucketed(rows.lengths, 64)
    seen = 0
    for _ in range(len(batches)):
        batch, lengths = rows.padded(batches.next())
        seen += int(lengths.sum())
    print(len(rows), seen)
"""


def capped(folder: Path, what: str) -> list[int]:
    """What the child prints, run with 32 MB above what it needs to start."""
    ran = subprocess.run([sys.executable, "-c", CAPPED, str(folder), what], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return list(map(int, ran.stdout.split()))


@pytest.mark.skipif(sys.platform != "linux", reason="caps memory as Linux does")
def test_a_text_larger_than_memory_is_read_stored_and_streamed(tmp_path: Path):
    line = "abcdefghijklmno\n"
    block = line * (1 << 16)
    with (tmp_path / "x.txt").open("w") as file:
        file.writelines(block for _ in range(40))
    num_chars, total = capped(tmp_path, "text")
    assert num_chars == 40 << 20
    # Line feed is 0 and a .. o are 1 .. 15: each line adds 120 up, and an epoch leaves out less than one window a stream.
    used = (num_chars - 256) // 32 // 256 * 256 * 32
    assert abs(total - used * 120 // 16) < 32 * 120


@pytest.mark.skipif(sys.platform != "linux", reason="caps memory as Linux does")
def test_a_table_larger_than_memory_is_read_stored_and_batched(tmp_path: Path):
    lengths = np.random.default_rng(0).integers(1, 700, 15_000)
    text = "weather " * 700
    with (tmp_path / "x.csv").open("w") as file:
        file.write("text,label\n")
        file.writelines(f'"{text[: 8 * length]}",{length % 2}\n' for length in lengths)
    assert capped(tmp_path, "table") == [15_000, int(lengths.sum())]
