"""Which tag may follow which in the schemes that write spans as tags: IOB1, BIO (IOB2) and IOBES.

    BIO     B- begins every span, I- goes on:                         O B-PER I-PER O B-LOC
    IOB1    I- everywhere, B- only between two touching like spans:   O I-PER I-PER O I-LOC B-LOC
    IOBES   S- is a span of one, E- ends a longer one:                O B-PER E-PER O S-LOC

Sources: Ramshaw and Marcus, "Text Chunking using Transformation-Based Learning", 1995, arXiv:cmp-lg/9505040 (IOB1); Lample et al.,
"Neural Architectures for Named Entity Recognition", NAACL 2016, arXiv:1603.01360 (IOBES).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from carrousel.errors import ConfigError, nearest

SCHEMES = {"bio": "BI", "iob1": "BI", "iobes": "BIES"}
"""Scheme -> the prefixes that it knows beside O."""


class Legal(NamedTuple):
    """What tags a sequence may begin with, which may follow which, and which it may end with."""

    start: Bool[Tensor, " C"]
    between: Bool[Tensor, "C C"]  # [from, to]
    stop: Bool[Tensor, " C"]


def legal_tags(labels: Sequence[str], scheme: str) -> Legal:
    """What a scheme allows among these labels, in their order.

    Args:
        labels: "O", and PREFIX-TYPE such as "B-PER".
        scheme: one of bio, iob1, iobes.

    Raises:
        ConfigError: an unknown scheme, or a label that it does not have.

    >>> legal_tags(["O", "B-PER", "I-PER"], "bio").between.tolist()
    [[True, True, False], [True, True, True], [True, True, True]]
    """
    if scheme not in SCHEMES:
        raise ConfigError(
            f"legal_tags: scheme is {scheme!r}, expected one of {', '.join(SCHEMES)}.{nearest(scheme, SCHEMES)}"
        )
    parts = [_parts(label, scheme) for label in labels]
    outside = ("O", "")
    between = [[_may_follow(before, after, scheme) for after in parts] for before in parts]
    return Legal(
        start=torch.tensor([_may_follow(outside, part, scheme) for part in parts]),
        between=torch.tensor(between).reshape(len(parts), len(parts)),
        stop=torch.tensor([_may_follow(part, outside, scheme) for part in parts]),
    )


def is_legal(tags: Sequence[str], scheme: str) -> bool:
    """Whether a sequence of tags obeys a scheme; False, too, where it has labels that are none of the scheme's.

    >>> is_legal(["B-PER", "I-LOC"], "bio"), is_legal(["B-PER", "I-PER"], "bio")
    (False, True)
    """
    try:
        parts = [("O", ""), *(_parts(tag, scheme) for tag in tags), ("O", "")]
    except ConfigError:
        return False
    return all(_may_follow(before, after, scheme) for before, after in pairwise(parts))


def _parts(label: str, scheme: str) -> tuple[str, str]:
    """Prefix and type of a label."""
    prefix, dash, kind = label.partition("-")
    if label == "O" or (prefix in SCHEMES[scheme] and len(prefix) == 1 and dash and kind):
        return prefix, kind
    known = ", ".join(f"{letter}-TYPE" for letter in SCHEMES[scheme])
    raise ConfigError(
        f"legal_tags: the label {label!r} is not of the scheme {scheme}, expected O, {known}. Choose another scheme, or none."
    )


def _may_follow(before: tuple[str, str], after: tuple[str, str], scheme: str) -> bool:
    """Whether one tag may come after another; the ends of a sequence count as O."""
    (end, old), (begin, new) = before, after
    is_same = old == new
    match scheme:
        case "bio":
            return begin != "I" or (end in "BI" and is_same)
        case "iob1":
            return begin != "B" or (end in "BI" and is_same)
        case _:
            is_open = end in ("B", "I")
            return is_same and begin in ("I", "E") if is_open else begin in ("B", "S", "O")
