"""LLVM text to machine code for this machine, kept on disk between runs."""

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast

import llvmlite
import llvmlite.binding as binding

llvm: Any = binding  # without types

_ENTRY = ctypes.CFUNCTYPE(
    None,
    *[ctypes.c_void_p] * 4,
    *[ctypes.c_int64] * 4,
    ctypes.c_void_p,
)
Entry = Callable[..., None]
"""pointers, strides, sizes, offsets, steps, first, last, rows, resets; called without the interpreter lock."""

_PASSES = {"loop_vectorization": False, "slp_vectorization": False, "loop_unrolling": False}
"""Vectors and tiles are spelled out in the text already; unrolling triples the time to compile and gains nothing."""

LARGEST_CACHE = 256 * 2**20
"""Bytes of object code that are kept on disk: some ten thousand loops."""

_engines: list[Any] = []  # machine code lives as long as the process


@lru_cache(maxsize=1)
def target() -> tuple[str, str, str]:
    """Triple, processor and features of this machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@lru_cache(maxsize=1)
def vector_bytes() -> int:
    """Bytes of this machine's widest vector register that loops should use."""
    features = cast("dict[str, bool]", llvm.get_host_cpu_features())
    if features.get("avx512f") and features.get("avx512vl"):
        return 64
    return 32 if features.get("avx2") else 16


@cache
def compile_text(text: str, symbol: str) -> Entry:
    """The function `symbol` of an LLVM module, ready to call; made once in a process."""
    triple, processor, features = target()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, features=features, opt=3, jit=True)
    module = llvm.parse_assembly(text)
    module.name = symbol
    engine = llvm.create_mcjit_compiler(module, machine)
    path = cache_folder() / f"{_key(text, triple, processor, features)}.o"
    cached = _read(path)
    made: list[bytes] = []

    def keep(_module: Any, code: Any) -> None:
        made.append(bytes(code))

    def find(_module: Any) -> bytes | None:
        return cached

    engine.set_object_cache(keep, find)
    if cached is None:
        _optimise(module, machine)
    engine.finalize_object()
    if made:
        _write(path, made[0])
    _engines.append(engine)
    return cast(Entry, _ENTRY(cast(int, engine.get_function_address(symbol))))


def address_of(entry: Entry) -> int:
    """Where a function's machine code lies."""
    return ctypes.cast(cast(Any, entry), ctypes.c_void_p).value or 0


def _optimise(module: Any, machine: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    for name, is_on in _PASSES.items():
        setattr(options, name, is_on)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join([llvmlite.__version__, str(_PASSES), *parts]).encode()).hexdigest()


def cache_folder() -> Path:
    """Where object code is kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "carrousel"


def _read(path: Path) -> bytes | None:
    """The object code kept under the path; None when there is none, or what is there is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    code, digest = data[:-32], data[-32:]
    with suppress(OSError):
        os.utime(path)  # so that what is used is not what goes when room is made
    return code if hashlib.sha256(code).digest() == digest else None


def _write(path: Path, code: bytes) -> None:
    """Keep object code, whole or not at all; a folder that cannot be written only costs the next start its time."""
    if not path.is_absolute():  # nobody's home
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as folder:
            partial = Path(folder) / path.name
            partial.write_bytes(code + hashlib.sha256(code).digest())
            os.replace(partial, path)
        _make_room(path.parent)


def _make_room(folder: Path) -> None:
    """Delete what was not used for the longest time, where the folder has grown beyond its size."""
    found = [(entry.stat(), entry.path) for entry in os.scandir(folder) if entry.name.endswith(".o")]
    size = sum(about.st_size for about, _ in found)
    if size <= LARGEST_CACHE:
        return
    for about, path in sorted(found, key=lambda one: one[0].st_mtime_ns):
        with suppress(FileNotFoundError):  # another process makes room, too
            os.unlink(path)
        size -= about.st_size
        if size <= LARGEST_CACHE * 3 // 4:
            return
