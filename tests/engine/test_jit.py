"""Machine code on disk: read again, rebuilt when damaged, done without when the folder cannot be written."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from carrousel.engine.lower import jit

TEXT = """
define void @triple(ptr %p, ptr %s, ptr %z, ptr %o, i64 %steps, i64 %first, i64 %last, i64 %rows, ptr %r) nounwind {
entry:
  %old = load i64, ptr %p, align 8
  %new = mul i64 %old, 3
  store i64 %new, ptr %p, align 8
  ret void
}
"""
PROGRAM = """
import torch
from carrousel import Recurrent
torch.manual_seed(0)
torch.set_num_threads(1)
layer = Recurrent("elman", 3, 5)
y, _ = layer(torch.ones(4, 2, 3))
y.sum().backward()
print(y.sum().item(), layer.R_l0.grad.sum().item())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "carrousel"


@pytest.fixture
def optimised(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One entry for every module that is compiled and not read from disk."""
    modules: list[Any] = []
    optimise = jit._optimise

    def noted(module: Any, machine: Any) -> None:
        modules.append(module)
        optimise(module, machine)

    monkeypatch.setattr(jit, "_optimise", noted)
    return modules


def compile_anew(text: str = TEXT, symbol: str = "triple") -> int:
    """Compile as a new process would, run, and give the tripled 14."""
    entry = cast(Any, jit.compile_text).__wrapped__(text, symbol)
    return call(entry)


def call(entry: jit.Entry) -> int:
    import ctypes

    number = ctypes.c_int64(14)
    entry(ctypes.addressof(number), None, None, None, 0, 0, 0, 0, None)
    return number.value


def test_the_second_compilation_reads_the_first_ones_code(folder: Path, optimised: list[Any]) -> None:
    assert compile_anew() == compile_anew() == 42
    assert len(optimised) == 1
    assert [path.suffix for path in folder.iterdir()] == [".o"]


def test_one_process_compiles_a_text_once(folder: Path, optimised: list[Any]) -> None:
    jit.compile_text.cache_clear()
    assert jit.compile_text(TEXT, "triple") is jit.compile_text(TEXT, "triple")
    assert len(optimised) == 1
    assert len(list(folder.iterdir())) == 1


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "one bit": lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
    "text": lambda data: b"not object code",
    "beginning lost": lambda data: data[32:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_rebuilt(folder: Path, optimised: list[Any], damage: Callable[[bytes], bytes]) -> None:
    assert compile_anew() == 42
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert compile_anew() == 42
    assert len(optimised) == 2
    assert path.read_bytes() == whole
    assert compile_anew() == 42
    assert len(optimised) == 2


def test_another_text_gets_another_file(folder: Path, optimised: list[Any]) -> None:
    assert compile_anew() == 42
    assert compile_anew(TEXT.replace("%old, 3", "%old, 5")) == 70
    assert len(optimised) == 2
    assert len(list(folder.iterdir())) == 2


def test_the_key_depends_on_the_processor_the_features_and_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {jit._key("text", "triple", "cpu", features) for features in ("+avx2", "-avx2")}
    keys |= {jit._key("text", "triple", "other", "+avx2"), jit._key("other", "triple", "cpu", "+avx2")}
    monkeypatch.setattr("llvmlite.__version__", "0.0")
    keys.add(jit._key("text", "triple", "cpu", "+avx2"))
    assert len(keys) == 5


def test_a_folder_that_is_a_file_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimised: list[Any]
) -> None:
    (tmp_path / "carrousel").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compile_anew() == compile_anew() == 42
    assert len(optimised) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_costs_only_time(folder: Path, optimised: list[Any]) -> None:
    folder.mkdir()
    folder.chmod(0o500)
    assert compile_anew() == compile_anew() == 42
    assert len(optimised) == 2


def test_a_disk_that_is_full_leaves_no_file_behind(
    folder: Path, optimised: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert compile_anew() == compile_anew() == 42
    assert len(optimised) == 2
    assert list(folder.iterdir()) == []


def test_a_process_without_a_home_compiles_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimised: list[Any]
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", str)  # nor an entry in the list of users
    monkeypatch.chdir(tmp_path)
    assert compile_anew() == compile_anew() == 42
    assert len(optimised) == 2
    assert list(tmp_path.iterdir()) == []


def test_two_processes_at_once_agree_and_leave_whole_files(folder: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert ends[0] == ends[1]
    assert ends[0][1] == ""
    files = list(folder.iterdir())
    assert len(files) == 4  # what packs matrices, the training loop, the backward loop, and sums of outer products
    assert {path.suffix for path in files} == {".o"}
    assert all(jit._read(path) for path in files)
    third = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert (third.stdout, third.stderr) == ends[0]


def test_what_was_not_used_for_longest_makes_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "LARGEST_CACHE", 3 * (1_000 + 32))
    for age, name in enumerate(("old", "used", "young")):
        jit._write(folder / f"{name}.o", bytes(1_000))
        os.utime(folder / f"{name}.o", ns=(age, age))
    assert jit._read(folder / "used.o") == bytes(1_000)
    jit._write(folder / "new.o", bytes(1_000))
    assert sorted(path.name for path in folder.iterdir()) == ["new.o", "used.o"]
