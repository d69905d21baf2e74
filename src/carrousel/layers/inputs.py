"""Checks of what a user hands to a layer, each with its error."""

from typing import Any

import torch
from torch import Tensor

from carrousel.errors import ShapeError


def check_lengths(where: str, lengths: Any, steps: int, batch: int, device: torch.device) -> Tensor | None:
    """`lengths` as a whole-number tensor on `device`.

    Raises:
        ShapeError: not one length a row, or a length outside 1..T.
    """
    if lengths is None:
        return None
    valid = torch.as_tensor(lengths, device=device)
    if valid.shape != (batch,) or valid.is_floating_point():
        raise ShapeError(
            f"{where}: lengths is {valid.dtype} of shape {tuple(valid.shape)}, expected whole numbers of shape (B,) = "
            f"({batch},). Pass the number of valid steps in each row."
        )
    if _are_values_unknown():
        return valid.long()
    wrong = ((valid < 1) | (valid > steps)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise ShapeError(
            f"{where}: lengths[{row}] is {int(valid[row])}, expected 1 to T={steps}. "
            "Drop empty rows and cut lengths to the input."
        )
    return valid.long()


def _are_values_unknown() -> bool:
    """Whether the program is being traced, or recorded by the caller as a CUDA graph: it cannot wait for values then."""
    return torch.compiler.is_compiling() or (torch.cuda.is_available() and torch.cuda.is_current_stream_capturing())


def check_finite(x: Tensor) -> None:
    """Refuse NaN and infinities in the input.

    Raises:
        ShapeError: with the number of such values and the place of the first.
    """
    if x.numel() == 0 or _are_values_unknown() or torch.isfinite(x.detach().sum()):
        return
    wrong = (~torch.isfinite(x.detach())).nonzero()
    if not len(wrong):
        return
    t, b, d = (int(i) for i in wrong[0])
    raise ShapeError(
        f"Recurrent: x has {len(wrong)} values that are NaN or infinite, the first {x[t, b, d].item()} at t={t}, b={b}, "
        f"d={d}, expected finite numbers. Clean or mask the data."
    )


def check_input(x: Tensor, input_size: int, batch_first: bool) -> None:
    axes = "(B, T, D)" if batch_first else "(T, B, D)"
    if x.dim() != 3 or x.shape[-1] != input_size:
        raise ShapeError(
            f"Recurrent: x has shape {tuple(x.shape)}, expected {axes} with D={input_size} because "
            f"input_size={input_size}. Reshape x, or build the layer with the size of your features."
        )
    if not x.is_floating_point():
        raise ShapeError(f"Recurrent: x is {x.dtype}, expected floating-point numbers. Embed or convert x first.")
