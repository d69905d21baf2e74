"""Which steps of padded sequences are theirs."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def valid_steps(num_steps: int, lengths: Int[Tensor, " B"]) -> Bool[Tensor, "T B"]:
    """True where a step belongs to its sequence.

    >>> valid_steps(3, torch.tensor([2, 3])).tolist()
    [[True, True], [True, True], [False, True]]
    """
    return torch.arange(num_steps, device=lengths.device)[:, None] < lengths
