"""A network that goes on from another of its kind, whose words and labels need not be the same."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from carrousel.models.network import Network


@dataclass(frozen=True)
class Named:
    """What the rows of a weight stand for.

    Attributes:
        what: they are, such as "words".
        names: one a row, in order.
        axes: along which they lie.
        first, last: rows before and after them that every network has, such as that of the boundary.
    """

    what: str
    names: Sequence[Hashable]
    axes: Sequence[int] = (0,)
    first: int = 0
    last: int = 0

    def shared(self, source: "Named") -> tuple[Tensor, Tensor]:
        """Places of the rows that both have, there and here."""
        begin = {name: k for k, name in enumerate(source.names, source.first)}
        pairs = [(k, k) for k in range(self.first)]
        pairs += [(begin[name], k) for k, name in enumerate(self.names, self.first) if name in begin]
        ends = self.first + len(self.names), source.first + len(source.names)
        pairs += [(ends[1] + k, ends[0] + k) for k in range(self.last)]
        there, here = zip(*pairs, strict=True) if pairs else ((), ())
        return torch.tensor(there, dtype=torch.int64), torch.tensor(here, dtype=torch.int64)


NamedRows = Mapping[str, Named | None]
"""Parameter or buffer -> what its rows stand for; None for one that belongs to the data and is never taken over."""


def difference(source: "Network", target: "Network") -> str:
    """The first weight that `take_over` cannot give, in words; empty where it can give all.

    In the words, {source} stands for what the source is to be called.
    """
    rows = target.named_rows(), source.named_rows()
    old, new = source.state_dict(), target.state_dict()
    for name, value in new.items():
        if name in rows[0] and rows[0][name] is None:
            continue
        if name not in old:
            return f"{name} is not there in {{source}}, expected {tuple(value.shape)}"
        named, axes = rows[0].get(name), (rows[0].get(name), rows[1].get(name))
        kept = () if named is None else named.axes
        sizes = [[n for axis, n in enumerate(one.shape) if axis not in kept] for one in (old[name], value)]
        if sizes[0] != sizes[1] or (axes[0] is None) != (axes[1] is None):
            return f"{name} has shape {tuple(old[name].shape)} in {{source}}, expected {tuple(value.shape)}"
    return ""


@torch.no_grad()
def take_over(source: "Network", target: "Network") -> list[str]:
    """Copy the rows of words and labels that both have, and all other weights as they are; `difference` found none.

    Rows that only the target has keep their fresh weights.

    Returns:
        What was copied and what is new, in words.
    """
    rows, theirs = target.named_rows(), source.named_rows()
    old, counts = source.state_dict(), dict[str, tuple[int, int]]()
    for name, value in target.state_dict().items():
        if name not in rows:
            value.copy_(old[name])
            continue
        named, other = rows[name], theirs.get(name)
        if named is None or other is None:
            continue
        there, here = named.shared(other)
        counts[name] = len(here) - named.first - named.last, len(named.names)
        value[grid(value, named.axes, here)] = old[name][grid(old[name], named.axes, there)]
    return _told({named.what: [] for named in rows.values() if named}, rows, counts)


def _told(found: dict[str, list[tuple[int, int]]], rows: NamedRows, counts: Mapping[str, tuple[int, int]]) -> list[str]:
    """The sums over the weights that share out the same things, such as the clusters of an adaptive softmax."""
    seen = dict[str, set[tuple[Hashable, ...]]]()
    for name, count in counts.items():
        named = rows[name]
        assert named is not None
        names = tuple(named.names)
        if names not in seen.setdefault(named.what, set()):  # a weight and its bias count once
            seen[named.what].add(names)
            found[named.what].append(count)
    sums = {what: tuple(map(sum, zip(*pairs, strict=True))) for what, pairs in found.items() if what}
    told = ["all layers", *(f"{kept:,} of {number:,} {what}" for what, (kept, number) in sums.items())]
    fresh = [_many(number - kept, what) for what, (kept, number) in sums.items() if kept < number]
    return [*told[:-1], f"{told[-1]} (new: {', '.join(fresh)})"] if fresh else told


def _many(number: int, what: str) -> str:
    return f"{number:,} {what.removesuffix('s') if number == 1 else what}"


def grid(value: Tensor, axes: Sequence[int], places: Tensor) -> tuple[Tensor, ...]:
    """An index of these places along these axes, and of all along the others."""
    each = (places if axis in axes else torch.arange(n) for axis, n in enumerate(value.shape))
    return torch.meshgrid(*(one.to(value.device) for one in each), indexing="ij")
