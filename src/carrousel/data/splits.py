"""Which rows are held out when the user says nothing: a tenth, drawn by a seed."""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Int64

Rows = tuple[Int64[np.ndarray, " num_train"], Int64[np.ndarray, " num_held_out"]]
"""Rows to learn from and rows held out, both ascending."""


def a_tenth(num_rows: int, seed: int = 0) -> Rows:
    """A tenth of the rows, at least one."""
    order = np.random.default_rng(seed).permutation(num_rows)
    num_held_out = max(1, num_rows // 10)
    return np.sort(order[num_held_out:]), np.sort(order[:num_held_out])


def a_tenth_of_each(labels: Sequence[str], seed: int = 0) -> Rows:
    """A tenth of the rows, each label in both parts in like shares where that can be."""
    order = np.random.default_rng(seed).permutation(len(labels))
    numbers = {label: k for k, label in enumerate(sorted(set(labels)))}
    places = np.fromiter((numbers[label] for label in labels), np.int64, len(labels))
    by_label = order[np.argsort(places[order], kind="stable")]
    is_held_out = np.zeros(len(labels), bool)
    is_held_out[by_label[5::10] if len(labels) > 5 else by_label[:1]] = True
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def a_tenth_of_keys(keys: Sequence[Hashable], seed: int = 0) -> Rows:
    """All rows of a tenth of the keys: rows with the same key stay together."""
    numbers = dict[Hashable, int]()
    return a_tenth_of_groups(np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64), seed)


def a_tenth_of_groups(groups: Int64[np.ndarray, " N"], seed: int = 0) -> Rows:
    """All rows of a tenth of the groups; a row has the number of its group, which are numbered from 0 as they first come."""
    num_groups = int(groups.max(initial=-1)) + 1
    is_chosen = np.zeros(num_groups, bool)
    is_chosen[np.random.default_rng(seed).permutation(num_groups)[: max(1, round(num_groups / 10))]] = True
    is_held_out = is_chosen[groups]
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def the_last(num_held_out: int, num_rows: int) -> Rows:
    """The last rows: those of a file that the user holds out, after those of another."""
    return np.arange(num_rows - num_held_out), np.arange(num_rows - num_held_out, num_rows)
