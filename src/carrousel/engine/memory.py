"""Memory that is used again: fresh pages cost more than the loops that fill them."""

import os
from collections import defaultdict
from threading import RLock

import torch
from torch import Tensor

_KEPT_BYTES = 1 << 29
_free: dict[tuple[int, torch.dtype], list[Tensor]] = defaultdict(list)
_lock = RLock()  # re-entrant: a garbage collection inside `lease` may drop a lease
_kept = 0


class Lease:
    """A flat tensor that goes back to the store when the lease is dropped; it must not be handed to a user."""

    def __init__(self, storage: Tensor, size: int) -> None:
        self._storage = storage
        self.tensor = storage.narrow(0, 0, size)

    def __del__(self) -> None:
        global _kept
        size = self._storage.numel() * self._storage.itemsize
        with _lock:
            if _kept + size <= _KEPT_BYTES:
                _kept += size
                _free[self._storage.numel(), self._storage.dtype].append(self._storage)


def lease(size: int, dtype: torch.dtype) -> Lease:
    """Memory for `size` elements, with any content."""
    global _kept
    rounded = _rounded(size)
    taken = rounded * dtype.itemsize
    with _lock:
        waiting = _free[rounded, dtype]
        storage = waiting.pop() if waiting else None
        if storage is not None:
            _kept -= taken
    if storage is None:
        with torch.inference_mode(False):  # memory made in inference mode could never serve training
            storage = torch.empty(rounded, dtype=dtype)
    return Lease(storage, size)


def forget() -> None:
    """Give back what waits to be used again."""
    global _kept
    with _lock:
        _free.clear()
        _kept = 0


def _rounded(size: int) -> int:
    """The next of eight sizes in every doubling, so that similar lengths share memory."""
    step = 1 << max(6, size.bit_length() - 4)
    return -(-size // step) * step


def _new_lock() -> None:
    global _lock
    _lock = RLock()


os.register_at_fork(after_in_child=_new_lock)  # another thread may have held the lock at the fork
