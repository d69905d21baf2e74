"""The numbers of a batch on their way to the device of a run."""

import torch
from torch import Tensor


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """The same numbers on a device.

    To a GPU they go through pinned memory, which it reads by itself: the call comes back at once, and what is asked of the GPU
    afterwards comes after the copy. Until that is done, torch gives the pinned memory to nobody else.
    """
    if device.type != "cuda" or x.device.type != "cpu":
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)
