"""The machine and the versions that results depend on."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import llvmlite.binding as binding
import torch

from carrousel.engine.lower.jit import cache_folder, target, vector_bytes
from carrousel.engine.verdicts import is_writable

_SHOWN_FEATURES = (
    "sse4.2",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512vl",
    "avx512bw",
    "avx512bf16",
    "amx-tile",
    "neon",
    "sve",
)
_VERSIONS = ("carrousel", "torch", "numpy", "llvmlite")


@dataclass(frozen=True)
class Machine:
    """What `carrousel doctor` and the benchmark's rows say about where they ran.

    Args:
        processor: as its maker calls it.
        architecture: as LLVM calls it: triple and processor.
        features: instruction sets that matter to the loops.
        vector_bits: width of the vectors that the loops use.
        cores: that this process may use.
        threads: of torch.
        versions: package -> version.
        cache_folder: where object code is kept.
        is_cache_writable: whether it can be.
        cached_objects: files in it.
        cached_bytes: their size.
    """

    processor: str
    architecture: str
    features: tuple[str, ...]
    vector_bits: int
    cores: int
    threads: int
    versions: dict[str, str]
    cache_folder: str
    is_cache_writable: bool
    cached_objects: int
    cached_bytes: int

    @property
    def title(self) -> str:
        """One line for the head of a table."""
        return f"{self.processor}, {self.cores} cores, torch {self.versions['torch']}"


def this_machine() -> Machine:
    """What this process runs on."""
    triple, processor, _ = target()
    host: Any = binding
    found = cast("dict[str, bool]", host.get_host_cpu_features())
    folder = cache_folder()
    objects = [path.stat().st_size for path in folder.glob("*.o")]
    return Machine(
        processor=_processor_name() or processor,
        architecture=f"{triple}, {processor}",
        features=tuple(name for name in _SHOWN_FEATURES if found.get(name)),
        vector_bits=8 * vector_bytes(),
        cores=_cores(),
        threads=torch.get_num_threads(),
        versions={"python": platform.python_version(), **{name: _version(name) for name in _VERSIONS}},
        cache_folder=str(folder),
        is_cache_writable=is_writable(folder),
        cached_objects=len(objects),
        cached_bytes=sum(objects),
    )


def _cores() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
