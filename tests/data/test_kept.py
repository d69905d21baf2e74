"""Arrays in memory, in a store, in temporary files: the same numbers, and no litter."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carrousel.data import kept
from carrousel.data.kept import Writer
from carrousel.data.stretches import Stretches
from carrousel.errors import DataError


def make(writer: Writer) -> Mapping[str, Any]:
    with writer.array("x", np.float32, (2,)) as x, writer.array("empty", np.int64) as _:
        x.append(np.ones((3, 2)))
        x.append(np.zeros((0, 2)))
        x.append(np.full((1, 2), 7))
    with writer.array("no_features", np.float32, (0,)) as x:
        x.append(np.zeros((3, 0)))
    return {"said": 1}


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array is a view of a file."""
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


@pytest.mark.tiny
@pytest.mark.parametrize("where", ["memory", "store", "temporary"])
def test_wherever_arrays_are_they_are_the_same(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, temporary = tmp_path / "x.csv", tmp_path / "temporary"
    source.write_text("content")
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr(kept, "LARGE", 6 if where == "temporary" else 7)
    found = kept.kept(tmp_path / "store" / "x" if where == "store" else None, [source], {}, make)
    assert found.description == {"said": 1}
    assert [part.tolist() for part in found["x"]] == [[[1, 1]] * 3, [], [[7, 7]]]
    assert (found["x"].values.dtype, len(found["empty"]), len(found["empty"].values)) == (np.float32, 0, 0)
    assert found["no_features"].values.shape == (3, 0)
    assert is_mapped(found["x"].values) == (where != "memory")
    assert list(temporary.iterdir()) == []
    told = {"memory": "", "store": f"Kept in {tmp_path}/store/x, written.", "temporary": "Kept in temporary files."}
    assert found.told == told[where]
    assert sorted(path.name for path in tmp_path.iterdir()) == (
        ["store", "temporary", "x.csv"] if where == "store" else ["temporary", "x.csv"]
    )


@pytest.mark.tiny
def test_without_a_folder_for_temporary_files_another_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(DataError) as caught:
        kept.in_temporary_files(make, "train")
    assert str(caught.value) == (
        "train: temporary files cannot be written (No such file or directory), expected room and permission. Name another folder "
        "for them in TMPDIR, or a store."
    )


@pytest.mark.tiny
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """The limit on a file's size stands in for a full disk."""
    code = (
        "import resource, signal, sys; import numpy as np; from carrousel.data.kept import in_temporary_files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "def make(writer):\n    with writer.array('x', np.uint8) as x:\n        x.append(np.zeros(20_000))\n    return {}\n"
        "try:\n    in_temporary_files(make, 'train')\nexcept Exception as error:\n    print(error)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == (
        "train: temporary files cannot be written (File too large), expected room and permission. Name another folder for them in "
        "TMPDIR, or a store.\n"
    )


KILLED = """
import os, signal, sys
import numpy as np
from carrousel.data.kept import in_temporary_files

def make(writer):
    with writer.array("x", np.uint8) as x:
        x.append(np.zeros(1_000_000))
        if sys.argv[1] == "writing":
            os.kill(os.getpid(), int(sys.argv[2]))
    return {}

found = in_temporary_files(make)
assert found["x"].values.sum() == 0
os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("moment", "how"), [("writing", signal.SIGKILL), ("writing", signal.SIGINT), ("reading", signal.SIGTERM)]
)
def test_nothing_is_left_of_temporary_files_when_a_process_is_killed(
    moment: str, how: signal.Signals, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", KILLED, moment, str(int(how))]
    found = subprocess.run(arguments, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, check=False)
    assert found.returncode == -how
    assert list(tmp_path.iterdir()) == []


@pytest.mark.tiny
def test_nothing_is_left_of_temporary_files_when_their_maker_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fails(writer: Writer) -> Mapping[str, Any]:
        with writer.array("x", np.float32) as x:
            x.append(np.ones(3))
            raise ValueError("no number")

    with pytest.raises(ValueError, match=r"^no number$"):
        kept.in_temporary_files(fails)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.tiny
@pytest.mark.parametrize("where", ["memory", "store", "temporary"])
def test_steps_of_another_form_are_refused(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(writer: Writer) -> Mapping[str, Any]:
        with writer.array("x", np.float32, (2,)) as x:
            x.append(np.ones((3, 2)))
            x.append(np.ones((3, 1)))
        return {}

    monkeypatch.setattr(kept, "LARGE", -1 if where == "temporary" else 0)
    with pytest.raises(DataError) as caught:
        kept.kept(tmp_path / "x" if where == "store" else None, [], {}, wrong)
    assert str(caught.value) == (
        f"{'RaggedWriter' if where == 'store' else 'kept'}: sequence 1 has shape (3, 1), expected (T, 2). Give sequences that "
        "agree in all axes but the first."
    )


@pytest.mark.tiny
def test_what_is_packed_counts_as_large_as_it_is_and_a_folder_as_its_files(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", X=np.zeros(10_000))
    (tmp_path / "folder").mkdir()
    for name, size in (("a", 3), ("b", 4)):
        (tmp_path / "folder" / name).write_bytes(bytes(size))
    assert (tmp_path / "x.npz").stat().st_size < 1_000
    assert kept.size_of([tmp_path / "x.npz"]) == 80_128
    assert kept.size_of([tmp_path / "folder", tmp_path / "gone", tmp_path / "folder" / "a"]) == 10
    (tmp_path / "broken.npz").write_bytes(b"PK")
    assert kept.size_of([tmp_path / "broken.npz"]) == 0


@pytest.mark.tiny
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_blocks_of_stretches_hold_every_step_in_order(size: int) -> None:
    values = np.arange(20)
    stretches = Stretches(values, np.array([3, 12, 0, 9]), np.array([10, 12, 2, 15]))
    expected = [*range(3, 10), 0, 1, *range(9, 15)]
    blocks = list(stretches.blocks(size))
    assert np.concatenate(blocks).tolist() == expected
    assert {len(block) for block in blocks[:-1]} <= {size}
    assert stretches.num_steps == 15
    assert np.shares_memory(stretches[0], values)
    assert np.shares_memory(blocks[0], values) == (size <= 7)
    cut = stretches.cut(np.array([1, 0, 0, 2]), np.array([3, 5, 1, 99]))
    assert [part.tolist() for part in cut] == [[4, 5], [], [0], [11, 12, 13, 14]]
