"""Arrays in memory, in a store, in temporary files: the same numbers, and no litter."""

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
    return {"said": 1}


def is_mapped(array: np.ndarray) -> bool:
    """Whether an array is a view of a file."""
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    return base is not None


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
        "train: no temporary folder can be made (No such file or directory), expected one. Name another in TMPDIR, or a store."
    )


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
