import os
from pathlib import Path
from typing import Any

import pytest
import torch

from carrousel.errors import DataError
from carrousel.train import checkpoint

pytestmark = pytest.mark.tiny


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    transposed = torch.arange(6.0).reshape(2, 3).T
    state = {
        "tensors": {0: transposed, 1: torch.tensor(1 / 3, dtype=torch.float64), "shared": transposed[0]},
        "tuple": (torch.zeros(2, dtype=torch.uint8), (None, 0.1)),
        "list": [1, True, "text", 1e-300],
    }
    checkpoint.save(tmp_path / "c", state)
    back = checkpoint.load(tmp_path / "c")
    assert list(back) == list(state)
    assert torch.equal(back["tensors"][0], transposed)
    assert torch.equal(back["tensors"][1], torch.tensor(1 / 3, dtype=torch.float64))
    assert torch.equal(back["tensors"]["shared"], torch.tensor([0.0, 3.0]))
    assert isinstance(back["tuple"], tuple)
    assert back["tuple"][1] == (None, 0.1)
    assert back["list"] == [1, True, "text", 1e-300]


def test_a_failed_write_leaves_the_checkpoint_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    checkpoint.save(path, {"number": 1})

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(DataError) as caught:
        checkpoint.save(path, {"number": 2})
    assert str(caught.value) == (
        f"{path} cannot be written (No space left on device), expected room and permission. What was there before is unharmed."
    )
    assert checkpoint.load(path) == {"number": 1}
    assert os.listdir(tmp_path) == ["c"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(DataError) as caught:
        checkpoint.load(tmp_path / "c", "train")
    assert str(caught.value).startswith(f"train: {tmp_path / 'c'} is no checkpoint (")
    assert str(caught.value).endswith("), expected one that `carrousel train` wrote. Start a new run.")


def test_keys_that_would_share_a_name_are_refused(tmp_path: Path) -> None:
    state: dict[str, Any] = {"a/b": torch.zeros(1), "a": {"b": torch.ones(1)}}
    with pytest.raises(AssertionError, match="a/b"):
        checkpoint.save(tmp_path / "c", state)
