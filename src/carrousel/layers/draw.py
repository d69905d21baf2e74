"""Random numbers that depend on what they are for, and on nothing else: not on the batch they are drawn with, nor on threads."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from carrousel.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Draw:
    """Which random numbers one call of a layer uses for its masks and for stochastic cells.

    Each number is a function of the seed, the place in the stack, the row, the time step and the unit: a batch may be cut by rows
    and by time, and the pieces draw the same numbers, on any device, with any number of threads and in any number format.

    Args:
        seed: a whole number, or a tensor of one.
        rows: number of each row of the batch in the whole data; 0, 1, ... when left out.
        first_step: number of the call's first time step, when a long sequence is handed over in pieces.

    >>> from carrousel import Recurrent, masks
    >>> layer = Recurrent("lstm", 3, 5, masks=[masks.zoneout(c=0.5, h=0.05)])
    >>> x = torch.randn(7, 4, 3)
    >>> whole, _ = layer(x, draw=Draw(seed=1))
    >>> half, _ = layer(x[:, 2:], draw=Draw(seed=1, rows=[2, 3]))
    >>> torch.allclose(whole[:, 2:], half, atol=1e-6)
    True

    Source: the generator is SplitMix64 in counter mode: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
    OOPSLA 2014, doi:10.1145/2660193.2660195.
    """

    seed: int | Tensor
    rows: Sequence[int] | Tensor | None = None
    first_step: int = 0

    def per_step(self, label: str, steps: int, batch: int, size: int, like: Tensor) -> Float[Tensor, "T B H"]:
        """Uniform numbers in [0, 1), new for every step and row."""
        times = torch.arange(self.first_step + 1, self.first_step + steps + 1, device=like.device)
        return self._numbers(mixed_words(self._rows(label, batch, like)[None, :], times[:, None]), size, like)

    def per_sequence(self, label: str, batch: int, size: int, like: Tensor) -> Float[Tensor, "B H"]:
        """Uniform numbers in [0, 1), new for every row, the same at every step."""
        return self._numbers(self._rows(label, batch, like), size, like)

    def shared(self, label: str, like: Tensor) -> Tensor:
        """Uniform numbers in [0, 1) of a tensor's shape, the same for all rows and steps."""
        return self._numbers(self._key(label, like), like.numel(), like).reshape(like.shape)

    def _key(self, label: str, like: Tensor) -> Tensor:
        seed = torch.as_tensor(self.seed, dtype=torch.int64, device=like.device)
        return mixed_words(seed, torch.full((), _number_of(label), dtype=torch.int64, device=like.device))

    def _rows(self, label: str, batch: int, like: Tensor) -> Tensor:
        rows = torch.arange(batch, device=like.device) if self.rows is None else torch.as_tensor(self.rows)
        if rows.shape != (batch,) or rows.is_floating_point():
            raise ShapeError(
                f"Draw: rows is {rows.dtype} of shape {tuple(rows.shape)}, expected whole numbers of shape (B,) = ({batch},). "
                "Pass the number of each row of the batch."
            )
        return mixed_words(self._key(label, like), rows.to(like.device, torch.int64) + 1)

    def _numbers(self, key: Tensor, size: int, like: Tensor) -> Tensor:
        """Two numbers of 24 bits from each word."""
        words = mixed_words(key[..., None], torch.arange(1, (size + 1) // 2 + 1, device=like.device))
        pairs = torch.stack([(words >> 40) & _24_BITS, (words >> 16) & _24_BITS], dim=-1)
        wide = torch.promote_types(like.dtype, torch.float32)  # 24 bits are too large for float16
        return pairs.flatten(-2)[..., :size].to(wide).mul_(2.0**-24).to(like.dtype)


def _number_of(label: str) -> int:
    """A number of 32 bits for a name: FNV-1a."""
    number = 0x811C9DC5
    for character in label:
        number = ((number ^ ord(character)) * 0x01000193) & 0xFFFFFFFF
    return number


_24_BITS = (1 << 24) - 1


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


_GAMMA = _signed(0x9E3779B97F4A7C15)
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def mixed_words(key: Tensor, counter: Tensor) -> Tensor:
    """The outputs of SplitMix64 seeded with `key`, at the places 1, 2, ... in `counter`; whole numbers wrap at 64 bits."""
    z = key + counter * _GAMMA
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        z = ((z >> shift).bitwise_and_((1 << (64 - shift)) - 1)).bitwise_xor_(z).mul_(factor)
    return ((z >> 31).bitwise_and_((1 << 33) - 1)).bitwise_xor_(z)
