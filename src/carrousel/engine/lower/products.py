"""Products where the caller has asked for narrower ones than their factors: torch's autocast."""

from contextlib import AbstractContextManager, nullcontext

import torch


def exact_products(device: str) -> AbstractContextManager[object]:
    """Products in the format of their factors, also where the caller asked for another."""
    return torch.autocast(device, enabled=False) if is_autocast(device) else nullcontext()


def is_autocast(device: str) -> bool:
    """Whether autocast is on for a kind of device."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
